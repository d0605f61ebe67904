"""kafka-python 3.0.12 reads its schemas with a deprecated function, once, on import."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka  # noqa: F401
