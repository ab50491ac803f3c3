"""What predicts, exchangeable under every head."""
