"""What `benchmarks.faults` does: policies, an arm, faults of many kinds, and who judges them."""
