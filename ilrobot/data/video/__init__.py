"""Camera pictures as films: encoded beside the control loop, kept with their episodes."""
