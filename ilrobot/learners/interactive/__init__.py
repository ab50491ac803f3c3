"""Learning while somebody watches: the DAgger family."""
