"""What a person holds: each device gives a `DeviceState` when it is polled."""

import os

# Read once, when pygame is imported: no banner on stdout; pads are heard also while another
# window has the focus.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
