"""What works on this machine: each check is a function that returns findings."""
