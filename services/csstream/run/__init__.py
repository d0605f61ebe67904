"""Runs the whole chain on one machine."""
