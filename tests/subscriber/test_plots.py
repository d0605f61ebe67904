"""Pictures of alerts of every kind can be drawn, and show what they should."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread

from csstream.subscriber.plots import draw_alert, plot_alert

NAN = math.nan


def test_a_picture_is_written_under_the_name_of_the_alert(alert, tmp_path):
    path = plot_alert(alert(1), tmp_path / "plots")
    assert path.name == "1001-000044-first_crossing.png"
    pixels = imread(path)
    assert pixels.shape[0] > 800
    assert pixels.std() > 0.05


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "transit"},
        {"kind": "pulsating", "duration": NAN, "duration_err": NAN},
        {"period": NAN, "period_err": NAN, "reason": "single_event", "events": 1},
        {"kind": "none", "reason": "withdrawn"},
        {"period": NAN, "duration": NAN, "t0": NAN},
        {"global_view": np.full(201, NAN, np.float32)},
        {"mean_flux": -3.0, "mag": NAN},
        {"epochs": 1},
        {"epochs": 0},
    ],
)
def test_every_kind_of_alert_can_be_drawn(alert, changes):
    picture = BytesIO()
    draw_alert(alert(1, **changes)).savefig(picture, dpi=30)
    assert imread(BytesIO(picture.getvalue())).std() > 0.02


def test_axes_have_labels_with_units(alert):
    axes = draw_alert(alert(1)).axes
    labels = [each.get_xlabel() for each in axes] + [each.get_ylabel() for each in axes]
    assert "BJD (TDB) − 2460000 [day]" in labels
    assert "flux [nJy]" in labels
    assert "time from the dip [durations]" in labels


def test_the_title_tells_period_class_and_chance(alert):
    title = draw_alert(alert(1)).get_suptitle()
    for text in ("Eclipsing binary", "1.23450 ± 0.00012 d", "FAP 1e-07", "4 events", "S/N 40.0"):
        assert text in title
