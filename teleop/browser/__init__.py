"""The page: a person at a browser, on this machine or on a phone, sees the task and steers it."""
