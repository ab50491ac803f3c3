"""What happens once a tick, free of torch: contract, chunks and their execution, guards, clock."""
