"""Telescopes as data."""
