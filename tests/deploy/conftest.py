"""Imports kafka-python once with its warning let pass; warnings are errors in all tests."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # kafka-python 3.0.12 reads its schemas with importlib.resources.read_text, once, on import
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka  # noqa: F401
