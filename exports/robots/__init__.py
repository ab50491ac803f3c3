"""What the loop drives: one small protocol, and robots behind it."""
