"""Apache Kafka on one machine: one KRaft node from the jars that Maven fetches, on Java 17."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from csstream.run.brokers import LOOPBACK, Broker, BrokerError, free_port

KAFKA_VERSION = "4.1.1"
ARTIFACT = "kafka_2.13"
JAVA_AT_LEAST = 17

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>csstream</groupId><artifactId>kafka-jars</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>{ARTIFACT}</artifactId>
    <version>{KAFKA_VERSION}</version>
  </dependency></dependencies>
</project>
"""

LOGGING = """rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
"""

PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={directory}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.coordinator.append.linger.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def why_no_apache() -> str | None:
    """Return what is missing to start Apache Kafka here, or None when nothing is."""
    if shutil.which("java") is None:
        return f"java is not on the PATH (Apache Kafka needs Java {JAVA_AT_LEAST})"
    version = java_version()
    if version < JAVA_AT_LEAST:
        return f"java is version {version}; Apache Kafka needs Java {JAVA_AT_LEAST}"
    if not jars_directory().is_dir() and shutil.which("mvn") is None:
        return "mvn (Maven) is not on the PATH; it fetches Apache Kafka's jars"
    return None


def java_version() -> int:
    """Return the major version of the ``java`` on the PATH; 0 when it does not say."""
    answer = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else 0


def jars_directory() -> Path:
    """Return where the jars of this version are kept in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "csstream" / f"{ARTIFACT}-{KAFKA_VERSION}"


def fetch_jars(target: Path | None = None) -> Path:
    """Return the directory of Apache Kafka's jars; Maven fetches them where they are not yet.

    Raises
    ------
    BrokerError
        Maven could not fetch them.
    """
    target = target or jars_directory()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        Path(scratch, "pom.xml").write_text(POM)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
        _run(command, Path(scratch), "Maven could not fetch Apache Kafka's jars")
        try:
            Path(scratch, "jars").rename(target)
        except OSError:  # another process was faster
            if not target.is_dir():
                raise
    return target


def _run(command: list[str], directory: Path, what: str) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-800:]
        raise BrokerError(f"{what}: {said}")
    return done.stdout


class ApacheBroker(Broker):
    """One node of Apache Kafka in KRaft mode (broker and controller in one process)."""

    name = "apache"

    def prepare(self) -> None:
        """Fetch the jars, write the configuration and format the storage, once."""
        missing = why_no_apache()
        if missing is not None:
            raise BrokerError(f"Apache Kafka cannot be started: {missing}")
        self.jars = fetch_jars()
        if not self._properties.is_file():
            self._configure()
            self._format()

    def command(self) -> list[str]:
        """Return the command line of the node."""
        return [*self._java("-Xmx512m", "-Xms256m"), "kafka.Kafka", str(self._properties)]

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    def _configure(self) -> None:
        (self.directory / "log4j2.properties").write_text(LOGGING)
        self._properties.write_text(
            PROPERTIES.format(
                host=LOOPBACK,
                port=self.port,
                controller=free_port(),
                directory=self.directory / "records",
            )
        )

    def _format(self) -> None:
        tool = [*self._java(), "kafka.tools.StorageTool"]
        what = f"Apache Kafka's storage in {self.directory} could not be formatted"
        cluster = _run([*tool, "random-uuid"], self.directory, what).strip().splitlines()[-1]
        arguments = ["format", "--standalone", "-t", cluster, "-c", str(self._properties)]
        _run([*tool, *arguments], self.directory, what)

    def _java(self, *options: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"
        return ["java", *options, logging, "-cp", f"{self.jars}/*"]
