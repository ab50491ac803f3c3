"""Pages on this machine: who may open them, how they are served, and what a page may send."""
