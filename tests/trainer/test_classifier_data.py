"""The classifier's training set: what it is made of, and who never meets whom; needs no torch."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.simulation.variables.shapes import Eclipsing, Pulsator
from csstream.timeseries.features import SCALARS
from csstream.timeseries.kinds import KINDS
from csstream.trainer import classifier_data, classifier_noise, classifier_store
from csstream.trainer.classifier_canvas import MOST_STARS, PARTS, PLACES, correlated, part_of
from csstream.trainer.classifier_negatives import NEGATIVES
from csstream.trainer.classifier_noise import SimulatedNoise
from csstream.trainer.classifier_stars import (
    DEEPEST,
    LABEL,
    ORIGINS,
    SHARES,
    Rotator,
    draw_stars,
)


@pytest.fixture(scope="module")
def training_set():
    return classifier_data.make_training_set(2, 3, SimulatedNoise())


@pytest.fixture(scope="module")
def canvas():
    return SimulatedNoise().draw(np.random.default_rng(2), "train")


def test_rows_come_from_the_search_and_from_the_seed(training_set):
    data, counts = training_set
    again, _ = classifier_data.make_training_set(1, 3, SimulatedNoise(), first=1)
    mine = data.select(data.panel == 1)
    assert np.array_equal(mine.scalars, again.scalars)
    assert np.array_equal(mine.global_view, again.global_view, equal_nan=True)
    assert data.scalars.shape == (len(data), len(SCALARS))
    assert np.isfinite(data.scalars).all()
    assert set(np.unique(data.label)) == {0, 1, 2, 3}
    assert sum(counts.shortlisted.values()) - sum(counts.wrong_period.values()) == len(data)
    assert sum(counts.simulated.values()) == 2 * MOST_STARS
    assert np.all((data.snr > 0) == (data.label > 0))


def test_rows_are_kept_and_another_seed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier_store, "CHUNK", 1)
    made, said = [], []

    def make(panels, seed, source, first):
        made.append(first)
        return classifier_data.make_training_set(panels, seed, source, first)

    monkeypatch.setattr(classifier_store, "make_training_set", make)
    data, counts = classifier_store.gather(2, 3, SimulatedNoise(), tmp_path, said.append)
    again, counted = classifier_store.gather(2, 3, SimulatedNoise(), tmp_path, said.append)
    assert made == [0, 1]
    assert np.array_equal(data.local_view, again.local_view, equal_nan=True)
    assert counts == counted
    monkeypatch.setattr(classifier_store, "gather", lambda *_: (data, counts))
    both, _ = classifier_store.gather_all(2, 3, [SimulatedNoise()] * 2, tmp_path, said.append)
    assert len(both) == 2 * len(data)
    assert part_of(both.panel[-1] % PLACES) == part_of(data.panel[-1] % PLACES)
    assert both.panel[0] != both.panel[len(data)]
    monkeypatch.undo()
    with pytest.raises(classifier_store.DataMismatchError, match="seed"):
        classifier_store.gather(2, 4, SimulatedNoise(), tmp_path, said.append)


def test_every_origin_has_a_class_and_a_way_to_be_drawn():
    assert sum(SHARES.values()) == pytest.approx(1.0)
    drawn_elsewhere = {"inverted", "scrambled", "single"}
    assert set(ORIGINS) == set(LABEL) | set(NEGATIVES) | drawn_elsewhere
    assert set(LABEL.values()) == set(KINDS) - {"none"}
    assert [part_of(place) for place in range(PLACES)].count("train") == PARTS["train"]


def test_only_what_repeats_has_a_shape(canvas):
    stars = draw_stars(np.random.default_rng(5), canvas)
    assert len(stars) == MOST_STARS
    for star in stars:
        assert (star.label > 0) == (star.shape is not None) == (star.amplitude > 0)
        assert star.factor.shape == canvas.time.shape
        assert np.all(star.factor > 0)
        assert np.isnan(star.spectral_type) or 2.0 <= star.spectral_type < 7.0
    assert all(np.all(s.factor == 1.0) for s in stars if s.origin == "constant")
    assert 0.15 < np.mean([np.isfinite(s.spectral_type) for s in stars]) < 0.45


@pytest.mark.parametrize("name", sorted(set(NEGATIVES) - {"constant"}))
def test_negatives_change_the_flux_as_they_are_told(name, canvas):
    for seed in range(5):
        factor = NEGATIVES[name](np.random.default_rng(seed), canvas, 0.01)
        assert factor.shape == canvas.time.shape
        assert np.all(np.isfinite(factor))
        assert np.all(factor > 0)
    if name == "flare":
        assert np.all(factor >= 1.0)
    if name == "edge":
        assert np.all(factor <= 1.0)


def test_flux_jumps_have_one_size_in_each_star():
    rng = np.random.default_rng(1)
    made = classifier_noise.jumps(rng, rng.normal(size=300), np.full((200, 1), 0.01))
    jumping = np.any(made != 0, axis=1)
    assert 0.1 < jumping.mean() < 0.3
    assert all(len(np.unique(row[row != 0])) == 1 for row in made[jumping])


def test_correlated_noise_has_unit_variance_and_its_time_scale():
    rng = np.random.default_rng(1)
    made = correlated(rng, np.arange(500) * 0.1, 200, 1.0)
    assert made.std() == pytest.approx(1.0, abs=0.05)
    assert np.mean(made[:, :-10] * made[:, 10:]) == pytest.approx(np.exp(-1), abs=0.06)


def test_only_binaries_and_rotators_may_have_a_multiple_of_their_period():
    binary = Eclipsing(
        period=1.0, t0=0.0, radius_1=0.2, radius_2=0.2, brightness_ratio=0.9, inclination=1.5,
        ellipsoidal=0.0,
    )  # fmt: skip
    star = Pulsator(period=1.0, t0=0.0, amplitude=0.5, rise=0.2, bump=0.0, bump_phase=0.0)
    spotted = Rotator(period=1.0, t0=0.0, amplitude=0.02, second=0.5, lag=0.1, growth=0.0)
    right = classifier_data.right_period
    assert right(0.5, binary, 50.0)
    assert not right(0.5, star, 50.0)
    assert right(0.5, spotted, 50.0)
    assert not right(2.0, spotted, 50.0)
    assert right(1.009, star, 50.0)
    assert not right(1.02, star, 50.0)
    assert right(1.02, star, 3.0)  # still in phase after three cycles


def test_transits_may_be_deep_for_a_faint_star_and_rare(canvas):
    rng = np.random.default_rng(7)
    stars = [s for _ in range(6) for s in draw_stars(rng, canvas) if s.origin == "transit"]
    depth = np.array([1.0 - s.factor.min() for s in stars])
    assert np.all(depth < DEEPEST + 0.01)
    assert np.count_nonzero(depth > 0.06) > 5  # deeper than a planet makes it
    span = np.ptp(canvas.time)
    periods = np.array([s.shape.period for s in stars])
    assert np.any(periods > 0.5 * span)
    assert periods.max() < span
