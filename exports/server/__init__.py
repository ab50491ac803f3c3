"""A policy on another machine than the robot's: its server, and the client that stands in."""
