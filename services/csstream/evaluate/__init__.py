"""Runs of measurements against known truth, and the page about them."""
