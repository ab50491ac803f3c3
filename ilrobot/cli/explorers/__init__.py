"""What `ilrobot explore` works out: one module per page."""
