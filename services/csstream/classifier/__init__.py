"""Searches panels for periodic variables and sends alerts."""
