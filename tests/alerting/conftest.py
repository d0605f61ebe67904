"""Panels and results to judge."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from panels import CELL, FIRST_ID, make_dips, make_panel, make_result


@pytest.fixture
def made():
    """The builders of ``panels``: ``made.panel``, ``made.result``, ``made.dips``."""
    return SimpleNamespace(
        panel=make_panel, result=make_result, dips=make_dips, first_id=FIRST_ID, cell=CELL
    )
