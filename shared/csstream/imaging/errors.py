"""What can be wrong with a frame, in one type with a machine-readable reason."""

from __future__ import annotations


class FrameError(ValueError):
    """A frame cannot be used, and reading it again will not help.

    Parameters
    ----------
    reason : str
        One word for machines, such as ``missing_file``, ``not_fits``, ``corrupt_fits``,
        ``too_large``, ``missing_keyword``, ``bad_keyword``; services pass it on.
    text : str
        What was wrong with which file, and what to do about it.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
