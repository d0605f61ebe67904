"""Measured constant stars as noise: parts are disjoint, and bad input is named."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from csstream.trainer.classifier_canvas import MOST_STARS, PARTS
from csstream.trainer.classifier_measured import MeasuredNoise, NoiseError, NoisePanel


def panel(stars=300, epochs=200, seed=1):
    rng = np.random.default_rng(seed)
    flux = 100.0 + rng.normal(size=(stars, epochs))
    flux[0] = -5.0
    flux[1, : epochs // 2 + 5] = np.nan
    ids = np.arange(stars) + (1234 << 20)
    width = rng.normal(2.0, 0.02, epochs)
    return NoisePanel("made", ids, np.arange(epochs) / 288.0, flux, np.ones_like(flux), width)


def test_each_star_belongs_to_one_part():
    rows = [set(panel().stars_of(part)) for part in PARTS]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 300
    assert len(rows[0]) > 5 * len(rows[1]) > 0


def test_unusable_stars_are_left_out():
    assert list(panel().usable().object_id - (1234 << 20)) == list(range(2, 300))


def test_a_canvas_holds_real_curves_of_its_part():
    source = MeasuredNoise([panel()])
    whole = panel().usable()
    drawn = source.draw(np.random.default_rng(3), "test")
    allowed = {row.tobytes() for row in whole.flux[whole.stars_of("test")]}
    assert 5 <= len(drawn.flux) <= MOST_STARS
    for row in drawn.flux:
        assert any(row.tobytes() in known for known in allowed)
    assert drawn.sigma == pytest.approx(0.01, rel=0.05)
    assert drawn.seeing.shape == drawn.time.shape == (drawn.flux.shape[1],)
    assert abs(np.median(drawn.seeing)) < 0.1
    assert "298 constant stars" in source.name


def test_too_few_stars_or_epochs_are_refused():
    with pytest.raises(NoiseError, match="no panel has"):
        MeasuredNoise([panel(stars=12)])
    with pytest.raises(NoiseError, match="no panel has"):
        MeasuredNoise([panel(epochs=20)])


def test_a_table_of_light_curves_is_read(tmp_path):
    made = panel(stars=150, epochs=60)
    rows = np.repeat(np.arange(150), 60)
    columns = {
        "object_id": rows,
        "mjd_mid_tai": np.tile(made.time, 150),
        "flux": made.flux.ravel(),
        "flux_err": made.error.ravel(),
    }
    Table(columns).write(tmp_path / "quiet.fits")
    drawn = MeasuredNoise.read([tmp_path / "quiet.fits"]).draw(np.random.default_rng(1), "train")
    assert drawn.time[0] >= 0.0
    with pytest.raises(NoiseError, match="no such file"):
        MeasuredNoise.read([tmp_path / "none.fits"])
    with pytest.raises(NoiseError, match="no curves of a survey"):
        MeasuredNoise.read([tmp_path])
