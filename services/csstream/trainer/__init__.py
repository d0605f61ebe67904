"""Trains the networks that ship. The only place that imports torch."""
