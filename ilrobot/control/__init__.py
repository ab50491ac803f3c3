"""What happens once a tick, free of torch: contract, chunks, guards, clock."""
