"""Pages on which a person tries a method out: set it a question, watch it being worked out."""
