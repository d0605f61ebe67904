"""Announces new exposures."""
