"""Recordings edited after the fact: a whole new version that takes the old one's place."""
