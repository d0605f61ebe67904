"""Accumulates light curves and cuts panels."""
