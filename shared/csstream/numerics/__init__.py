"""Compiled pieces that rooms of science share; they know nothing of stars."""
