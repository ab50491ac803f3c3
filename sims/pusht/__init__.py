"""Geometry and a fast planning model of Push-T."""
