"""A table made of null scores states the rates that it was made of, and repeated looks cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from csstream.evaluate.null_counts import NullRecords, fit_table, rates
from csstream.evaluate.null_looks import LookRecords, fit_looks, look_rates
from csstream.timeseries.false_alarms import read_table, write_table

STARS, LOOKS = 3000, 6


@pytest.fixture
def rng():
    return np.random.default_rng(910)


def records_of(rng, count, chunk=0):
    """Scores whose tails depend on the doubt, box and sinusoid half of the time the same noise."""
    epochs, doubt = rng.choice([60.0, 210.0, 800.0], count), rng.choice([1e-4, 3e-3, 4e-2], count)
    box = rng.exponential(0.43 * (1.0 + 5.0 * doubt))
    wave = np.where(rng.random(count) < 0.5, box, rng.exponential(0.5, count))
    zero = np.zeros(count)
    return NullRecords(box, wave, doubt, doubt, epochs, zero, zero, zero + chunk)


def test_stated_rates_are_seen_again(rng):
    table = fit_table(records_of(rng, 100_000), 1e-4, "test")
    for rate in rates(records_of(rng, 100_000), table, table.curves):
        if rate.curves and rate.level >= 1e-3:
            assert rate.ratio == pytest.approx(1.0, abs=0.15 if rate.level > 2e-3 else 0.4)


def looked_at(rng, fresh):
    """Looks whose scores are kept with some chance, else drawn anew."""
    first = records_of(rng, STARS)
    names = ("box", "wave")
    looks = [first]
    for _ in range(LOOKS - 1):
        again = rng.random(STARS) < fresh
        drawn = records_of(rng, STARS)
        columns = {n: np.where(again, getattr(drawn, n), getattr(looks[-1], n)) for n in names}
        looks.append(replace(first, **columns))
    star, look = np.tile(np.arange(STARS), LOOKS), np.repeat(np.arange(1, LOOKS + 1), STARS)
    return LookRecords(NullRecords.joined(looks), star, look)


def test_repeated_looks_cost_more_the_more_noise_is_new(rng, tmp_path):
    table = fit_table(records_of(rng, 100_000), 1e-4, "test")
    seldom, often = (fit_looks(looked_at(rng, fresh), table) for fresh in (0.02, 0.5))
    assert seldom.factor[-1, -1] < 2.0 < often.factor[-1, -1]
    assert often.factor[-1, 0] < often.factor[-1, -1]  # two looks in a row are seldom new noise
    write_table(tmp_path / "table.json", replace(table, looks=often))
    table = read_table(tmp_path / "table.json")
    rows = look_rates(looked_at(rng, 0.5), table)
    seen = {(row.group, row.level): row.ratio for row in rows}
    assert seen["all, limit 1e-02", 1e-2] == pytest.approx(1.0, abs=0.6)
