"""Series in, candidates out."""
