"""Teach a robot by showing: record, learn, intervene, evaluate, export, run.

Importing this package loads neither torch nor a simulator nor numpy; each part loads what it
needs when it is first used.
"""

__version__ = "0.1.0"
