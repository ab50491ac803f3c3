"""Going past the demonstrations from a clone: by reward, by selection, by preferences."""
