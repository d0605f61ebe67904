"""Errors, classed by the reaction that they call for."""

from __future__ import annotations


class CsstreamError(Exception):
    """Base of all errors that csstream raises on purpose."""


class BadInputError(CsstreamError):
    """The input cannot be used, now or later: dead-letter it and go on.

    ``reason`` is one short machine-readable word (``checksum_mismatch``, ``missing_file``,
    ``corrupt_fits``, ``not_avro``, …); ``str(error)`` says for people what was wrong with which
    input and what to do.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadInputError], tuple[str, str]]:
        return type(self), (self.reason, str(self))  # survives a process pool


class InvalidMessageError(BadInputError):
    """Bytes that are not the record they should be, or a record that may not be sent.

    Reasons: ``empty``, ``too_large``, ``not_avro``, ``unknown_schema``, ``wrong_record``,
    ``trailing_bytes``, ``column_length``, ``column_type``, ``value_range``, ``inconsistent``.
    """


class TransientError(CsstreamError):
    """The world is not ready (broker, network, disk): try again after a pause."""


class FatalError(CsstreamError):
    """Going on would lose or spoil data: stop the service without committing."""
