"""Frame in, sources out."""
