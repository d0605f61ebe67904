"""Panels with known variables in them, and a science that answers as it is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from panels import CELL, FIRST_ID, make_dips, make_panel, make_result

from csstream.alerting.judging import AlertRules
from csstream.classifier.alerts import Versions
from csstream.classifier.examiner import Examiner

VERSIONS = Versions(classifier_model="rules", code_version="1")


def make_examiner(search, rules=None):
    """An examiner around any search."""
    return Examiner(search=search, rules=rules or AlertRules(), versions=VERSIONS)


@pytest.fixture(scope="session")
def made():
    """The builders above: ``made.panel``, ``made.result``, ``made.dips``, ``made.examiner``."""
    return SimpleNamespace(
        panel=make_panel,
        result=make_result,
        dips=make_dips,
        examiner=make_examiner,
        first_id=FIRST_ID,
        cell=CELL,
    )
