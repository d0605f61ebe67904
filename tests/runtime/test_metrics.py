"""The names and labels of the metrics."""

from __future__ import annotations

import re

from csstream.runtime.metrics import _DEFINITIONS, Metrics, make_metrics

ALLOWED = {"stage", "topic", "reason", "partition", "step", "outcome", "kind", "provider"}
ALLOWED |= {"model", "version"}


def test_every_metric_is_declared_and_defined_once():
    assert set(Metrics.__annotations__) - {"registry"} == set(_DEFINITIONS)


def test_names_and_labels_follow_the_rules():
    for name, (_, text, labels, _) in _DEFINITIONS.items():
        assert re.fullmatch(r"[a-z][a-z_]*", name)
        assert text.endswith(".")
        assert set(labels) <= ALLOWED  # never a source, object or exposure


def test_metrics_of_two_makers_are_apart():
    one, two = make_metrics(), make_metrics()
    one.panels.inc()
    assert one.registry.get_sample_value("csstream_panels_total") == 1
    assert two.registry.get_sample_value("csstream_panels_total") == 0
