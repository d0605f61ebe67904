"""Measures the stars of announced exposures."""
