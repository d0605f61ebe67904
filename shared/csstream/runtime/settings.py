"""Settings that every service has; each service's own class adds to them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from csstream.contracts.topics import Topics, load_topics


class ServiceSettings(BaseSettings):
    """Read from the environment (``CSSTREAM_BOOTSTRAP_SERVERS`` …) when it is made, not before."""

    model_config = SettingsConfigDict(env_prefix="CSSTREAM_", extra="ignore", frozen=True)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port,…")
    topic_prefix: str = Field("", description="goes before every topic's and group's name")
    partitions: int | None = Field(
        None, ge=1, description="of the topics that are partitioned by sky cell; as topics.yaml"
    )
    instance_id: str = Field("", description="static group membership: one name per replica")
    session_timeout_ms: int = Field(6000, ge=1000, description="[ms] of the consumer group")
    max_attempts: int = Field(6, ge=1, description="of a message that fails transiently")
    first_delay_s: float = Field(0.5, gt=0, description="[s] before the second attempt")
    max_delay_s: float = Field(30.0, gt=0, description="[s] between attempts, at most")
    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /healthz, /readyz")
    metrics_port: int = Field(0, ge=0, le=65535, description="their port; 0: none")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def topics(self) -> Topics:
        """The declared topics under this prefix and partition count."""
        return load_topics(self.topic_prefix, partitions=self.partitions)

    def group_id(self, service: str) -> str:
        """Consumer group of a service: ``csstream-detection`` …"""
        return f"{self.topic_prefix}csstream-{service}"
