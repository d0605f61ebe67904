"""What can be wrong with a series."""

from __future__ import annotations


class TimeseriesError(ValueError):
    """A light curve, panel or table cannot be used as given.

    ``reason`` is one machine-readable word such as ``missing_column`` or ``shape``.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
