"""Every metric of csstream, defined here once.

Base units, ``_total`` on counters, few label values: never a source, object or exposure id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800)


@dataclass(frozen=True)
class Metrics:
    """The metrics of one process, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        for name, (kind, text, labels, options) in _DEFINITIONS.items():
            metric = kind(f"csstream_{name}", text, labels, registry=self.registry, **options)
            object.__setattr__(self, name, metric)

    # messages, every stage
    messages_in: Counter = field(init=False)  # stage
    messages_out: Counter = field(init=False)  # stage, topic
    dead_letters: Counter = field(init=False)  # stage, reason
    duplicates: Counter = field(init=False)  # stage
    retries: Counter = field(init=False)  # stage
    commit_failures: Counter = field(init=False)  # stage
    rebalances: Counter = field(init=False)  # stage
    lag: Gauge = field(init=False)  # stage, topic, partition
    busy: Gauge = field(init=False)  # stage
    ready: Gauge = field(init=False)  # stage
    handle_seconds: Histogram = field(init=False)  # stage
    step_seconds: Histogram = field(init=False)  # stage, step
    latency_seconds: Histogram = field(init=False)  # stage
    # what the stages do
    exposures: Counter = field(init=False)  # stage, outcome
    sources: Counter = field(init=False)  # stage
    batches: Counter = field(init=False)  # stage
    objects: Gauge = field(init=False)  # partition
    panels: Counter = field(init=False)
    examinations: Counter = field(init=False)
    alerts: Counter = field(init=False)  # kind, reason
    frontier_visit: Gauge = field(init=False)  # partition
    frontier_age_seconds: Gauge = field(init=False)  # partition
    reconcile_difference: Gauge = field(init=False)  # partition
    provider: Gauge = field(init=False)  # provider, model
    build: Gauge = field(init=False)  # version


Definition = tuple[type[Any], str, tuple[str, ...], dict[str, Any]]
_TIMES: Final[dict[str, Any]] = {"buckets": _SECONDS}
_DEFINITIONS: Final[dict[str, Definition]] = {
    "messages_in": (Counter, "Messages handled, dead letters included.", ("stage",), {}),
    "messages_out": (Counter, "Messages sent and acknowledged.", ("stage", "topic"), {}),
    "dead_letters": (Counter, "Messages that could not be used.", ("stage", "reason"), {}),
    "duplicates": (Counter, "Messages that had been handled before.", ("stage",), {}),
    "retries": (Counter, "Attempts that failed transiently.", ("stage",), {}),
    "commit_failures": (Counter, "Commits that the broker refused or lost.", ("stage",), {}),
    "rebalances": (Counter, "Times that partitions were assigned anew.", ("stage",), {}),
    "lag": (Gauge, "Messages waiting in a partition.", ("stage", "topic", "partition"), {}),
    "busy": (Gauge, "1 while a message is being handled.", ("stage",), {}),
    "ready": (Gauge, "1 once the service can take messages.", ("stage",), {}),
    "handle_seconds": (Histogram, "Time to handle one message.", ("stage",), _TIMES),
    "step_seconds": (Histogram, "Time of one step of the work.", ("stage", "step"), _TIMES),
    "latency_seconds": (
        Histogram,
        "From the broker's time stamp of the exposure to this stage's result.",
        ("stage",),
        _TIMES,
    ),
    "exposures": (
        Counter,
        "Exposures by what became of them: announced, measured, given_up.",
        ("stage", "outcome"),
        {},
    ),
    "sources": (Counter, "Sources measured, or rows taken in.", ("stage",), {}),
    "batches": (Counter, "Measurement batches sent, or taken in.", ("stage",), {}),
    "objects": (Gauge, "Objects that own a light curve.", ("partition",), {}),
    "panels": (Counter, "Panels sent for examination.", (), {}),
    "examinations": (Counter, "Panels examined.", (), {}),
    "alerts": (Counter, "Alerts sent.", ("kind", "reason"), {}),
    "frontier_visit": (Gauge, "Visit up to which all is closed.", ("partition",), {}),
    "frontier_age_seconds": (
        Gauge,
        "Time since the frontier moved while later visits wait; 0: nothing waits.",
        ("partition",),
        {},
    ),
    "reconcile_difference": (
        Gauge,
        "Announced by closed markers less arrived, duplicates not counted; 0: all is there.",
        ("partition",),
        {},
    ),
    "provider": (Gauge, "1 for the provider and model in use.", ("provider", "model"), {}),
    "build": (Gauge, "1 for the version that runs.", ("version",), {}),
}


def make_metrics() -> Metrics:
    """New metrics in a new registry: one per process, one per test."""
    return Metrics()
