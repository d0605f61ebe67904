"""The classes of variable stars, and their codes in verdicts."""

from __future__ import annotations

from typing import Final

KINDS: Final = ("none", "transit", "eclipsing", "pulsating")  # index = code on the wire
