"""What is predicted: each head owns its loss and its sampler and gives a chunk of actions."""
