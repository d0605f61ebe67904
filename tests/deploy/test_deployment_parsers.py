"""The deployment files pass the parsers of the programs that read them, compiled from Go."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("compose_check")
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def go() -> str:
    """Return the Go command, or skip: it is no dependency of the project."""
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if found is None:
        pytest.skip("go is not here; it compiles compose's, Prometheus's and BuildKit's parsers")
    needed = next(line for line in (SOURCE / "go.mod").read_text().split("\n") if line[:3] == "go ")
    said = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=True)
    have = said.stdout.strip().removeprefix("go")
    if numbers(have) < numbers(needed[3:]):
        pytest.skip(f"go is version {have}; the parsers need {needed[3:]}")
    return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".")[:2])


@pytest.fixture(scope="session")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("checker") / "deploycheck"
    subprocess.run([go(), "build", "-o", str(program), "."], cwd=SOURCE, check=True, text=True)
    return program


def check(checker: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checker), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_compose_file_is_valid(checker: Path) -> None:
    done = check(checker, "compose", "docker-compose.yml")
    assert done.returncode == 0, done.stderr
    project = json.loads(done.stdout)
    detection = project["services"]["detection"]
    assert detection["environment"]["CSSTREAM_INSTRUMENTS"] == '["csst-i"]'
    assert detection["depends_on"]["topics"]["condition"] == "service_completed_successfully"


def test_a_broken_compose_file_is_refused(checker: Path, tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text("services:\n  a:\n    image: x\n    depends_on: [nobody]\n")
    assert check(checker, "compose", str(broken)).returncode == 1


def test_alert_rules_are_valid(checker: Path, tmp_path: Path) -> None:
    done = check(checker, "rules", "deploy/prometheus/rules.yml")
    assert done.returncode == 0, done.stderr
    broken = tmp_path / "rules.yml"
    broken.write_text("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(((\n")
    assert check(checker, "rules", str(broken)).returncode == 1


def test_dashboard_queries_are_valid(checker: Path, tmp_path: Path) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/csstream.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    listed = tmp_path / "queries.json"
    listed.write_text(json.dumps(queries))
    done = check(checker, "queries", str(listed))
    assert done.returncode == 0, done.stderr
    assert len(queries) > 15


def test_dockerfile_is_valid(checker: Path) -> None:
    done = check(checker, "dockerfile", "deploy/docker/Dockerfile")
    assert done.returncode == 0, done.stderr
