"""Shared by all tests: where the optional real data lies, and one thread for the arrays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real frames and light curves; the test is skipped where it is not given."""
    folder = os.environ.get("CSSTREAM_DATA")
    if not folder:
        pytest.skip("CSSTREAM_DATA is not set: no real frames or light curves here")
    return Path(folder)
