"""The subscriber's settings."""

from __future__ import annotations

from csstream.runtime.settings import ServiceSettings


class SubscriberSettings(ServiceSettings):
    """Where the broker is and how long to try to reach it."""

    connect_timeout_ms: int = 5000  # [ms] until a broker that does not answer is given up
