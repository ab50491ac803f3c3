"""Small worlds in numpy: each shows one thing about imitation, and steps in microseconds."""
