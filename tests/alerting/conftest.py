"""Panels and results to judge."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from panels import CELL, FIRST_ID, make_panel, make_result


@pytest.fixture
def made():
    """The builders of ``panels``: ``made.panel``, ``made.result``."""
    return SimpleNamespace(panel=make_panel, result=make_result, first_id=FIRST_ID, cell=CELL)
