"""Learners: from recordings to policies."""
