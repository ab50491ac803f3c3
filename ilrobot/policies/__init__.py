"""Policies: an encoder, a network and a head, normalisation and sampler inside."""
