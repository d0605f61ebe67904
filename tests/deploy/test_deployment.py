"""Every command, port, variable and metric in the deployment files exists in the program."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from csstream.cli.main import load_command
from csstream.cli.serve import settings_class
from csstream.publisher.settings import PublisherSettings
from csstream.runtime.health import Health, start_http
from csstream.runtime.metrics import make_metrics
from csstream.runtime.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PROMETHEUS = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/csstream.json").read_text())
OWN = [
    name for name, service in COMPOSE["services"].items() if service["image"] == "csstream:local"
]
STAGES = ["publisher", "detection", "lightcurves", "classifier"]
FOREIGN_VARIABLES = {"MPLCONFIGDIR", "NUMBA_CACHE_DIR"}


def settings_of(service: str) -> type[ServiceSettings]:
    if service == "publisher":
        return PublisherSettings
    return ServiceSettings if service == "topics" else settings_class(service)


def resolved(value: str) -> str:
    """Put compose's defaults in the place of its variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def environment(service: str) -> dict[str, str]:
    given: dict[str, Any] = COMPOSE["services"][service]["environment"]
    return {name: resolved(str(value)) for name, value in given.items()}


def rule_expressions() -> list[str]:
    return [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def exposed_metrics() -> dict[str, tuple[str, ...]]:
    """Return the names under which Prometheus sees each metric, and the metric's labels."""
    metrics, found = make_metrics(), {}
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    for name in metrics.__annotations__:
        if name == "registry":
            continue
        collector = getattr(metrics, name)
        (family,) = collector.describe()
        for ending in endings[family.type]:
            found[family.name + ending] = tuple(collector._labelnames)
    return found


def test_the_whole_chain_is_there() -> None:
    assert {*STAGES, "kafka", "topics", "prometheus", "grafana"} <= COMPOSE["services"].keys()
    assert ["topics", *STAGES] == OWN


@pytest.mark.parametrize("service", OWN)
def test_commands_are_commands_of_the_program(service: str) -> None:
    words = [str(word) for word in COMPOSE["services"][service]["command"]]
    command, arguments = load_command(words[0]), words[1:]
    if hasattr(command, "get_command"):
        context = command.make_context(words[0], list(arguments), resilient_parsing=True)
        command, arguments = command.get_command(context, arguments[0]), arguments[1:]
    assert command is not None, words
    command.make_context(command.name, list(arguments))  # raises for an unknown option


@pytest.mark.parametrize("service", OWN)
def test_variables_are_settings_with_valid_values(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, kind = environment(service), settings_of(service)
    known = {f"CSSTREAM_{name.upper()}" for name in kind.model_fields}
    for name, value in given.items():
        assert name in known or name in FOREIGN_VARIABLES or name.endswith("_NUM_THREADS"), name
        monkeypatch.setenv(name, value)
    assert kind().bootstrap_servers == given["CSSTREAM_BOOTSTRAP_SERVERS"]


def test_services_reach_kafka_where_it_listens_for_them() -> None:
    kafka = environment("kafka")
    address = environment("detection")["CSSTREAM_BOOTSTRAP_SERVERS"]
    assert f"INSIDE://{address}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"INSIDE://:{address.split(':')[1]}" in kafka["KAFKA_LISTENERS"].split(",")
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


@pytest.mark.parametrize("stage", STAGES)
def test_health_and_metrics_are_asked_for_where_they_are(stage: str) -> None:
    port = environment(stage)["CSSTREAM_METRICS_PORT"]
    assert f":{port}/readyz" in COMPOSE["services"][stage]["healthcheck"]["test"][-1]
    (job,) = (job for job in PROMETHEUS["scrape_configs"] if job["job_name"] == stage)
    assert job["dns_sd_configs"][0]["names"] == [stage]
    assert str(job["dns_sd_configs"][0]["port"]) == port
    assert "metrics_path" not in job  # /metrics, as the program says


def test_the_probed_pages_exist() -> None:
    health = Health()
    health.set_ready()
    server = start_http("127.0.0.1", 0, make_metrics(), health)
    try:
        for page in ("readyz", "healthz", "metrics"):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{page}") as answer:
                assert answer.status == 200
    finally:
        server.close()


@pytest.mark.parametrize("expression", rule_expressions() + dashboard_expressions())
def test_queries_use_metrics_and_labels_that_exist(expression: str) -> None:
    exposed = exposed_metrics()
    names = re.findall(r"csstream_\w+", expression)
    assert names or "up{" in expression
    assert set(names) <= exposed.keys()
    labels = {"le", "job"}.union(*(exposed[name] for name in names))
    used = [w for group in re.findall(r"by \(([^)]*)\)", expression) for w in group.split(",")]
    used += re.findall(r"[{,]\s*(\w+)\s*=", expression)
    assert {label.strip() for label in used} <= labels


def test_every_rule_says_what_and_where_to_read_on() -> None:
    page = (ROOT / "docs/running.md").read_text()
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"]
            path, anchor = rule["annotations"]["runbook_url"].split("#")
            assert path == "docs/running.md"
            assert anchor in anchors, anchor


def test_the_dashboard_is_provisioned_and_asks_the_provisioned_source() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())
    provider = yaml.safe_load((provisioning / "dashboards/csstream.yaml").read_text())
    volumes = COMPOSE["services"]["grafana"]["volumes"]
    path = provider["providers"][0]["options"]["path"]
    assert f"./deploy/grafana/dashboards:{path}:ro" in volumes
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {
        source["datasources"][0]["uid"]
    }
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_nothing_is_secret_privileged_or_open_to_the_network() -> None:
    for name, service in COMPOSE["services"].items():
        assert not service.get("privileged"), name
        for variable in service.get("environment", {}):
            assert not re.search("PASSWORD|SECRET|TOKEN|KEY", variable), variable
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), port
        assert "healthcheck" in service, name
    for name in OWN:
        assert COMPOSE["services"][name]["read_only"], name


def test_every_volume_is_declared_and_used() -> None:
    used = {
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
        if not volume.startswith((".", "$"))
    }
    assert used == COMPOSE["volumes"].keys()


def test_the_image_is_locked_and_not_root() -> None:
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    last_stage = text.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER (?!root)\w+", last_stage, re.MULTILINE)
    assert "--require-hashes -r requirements/cpu.txt" in text
    copied = [p for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.M) for p in line.split()]
    assert copied
    assert all((ROOT / path).exists() for path in copied)
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert all(f"!{path}" in kept for path in copied)
