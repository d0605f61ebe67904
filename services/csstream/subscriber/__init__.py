"""Reads alerts."""
