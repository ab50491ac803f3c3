"""From a person's command to an action of the task, and back."""
