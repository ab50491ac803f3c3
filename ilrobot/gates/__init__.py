"""Who acts: the gates of the DAgger family, one short file each."""
