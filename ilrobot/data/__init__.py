"""Episodes on disk and in memory: journal, sealed dataset, windows, normalisation, conversion."""
