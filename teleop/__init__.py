"""The person: devices, mapping, takeover, recording."""
