import numpy as np
import pytest

from csstream.evaluation.statistics import robust_width


def test_robust_width_of_a_normal_is_its_sigma():
    values = np.random.default_rng(1).normal(3.0, 2.0, 20_000)
    values[:200] = 1e6
    assert robust_width(values) == pytest.approx(2.0, rel=0.05)
    assert np.isnan(robust_width(np.empty(0)))
