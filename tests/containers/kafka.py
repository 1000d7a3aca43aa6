"""Apache Kafka itself, out of Maven Central: the jars of a release, and a broker of them without containers."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]

from include.local.settings import ROOT
from include.oms.testing.kafka import free_port

POM = Path(__file__).parent / "stand_ins" / "kafka" / "pom.xml"
COMPOSE_FILE = ROOT / "docker-compose.airflow.yml"
FETCH_SECONDS = 300
START_SECONDS = 120
LAUNCHER = "kafka.docker.KafkaDockerWrapper"  # the official image's: KAFKA_* become the configuration


class NoKafka(Exception):
    """Apache Kafka cannot be run here; the reason, for a person to read."""


def pinned_version() -> str:
    """The release that the deployment runs."""
    [version] = set(re.findall(r"apache/kafka:(\S+)", COMPOSE_FILE.read_text()))
    return version


def jars(version: str) -> Path:
    """The folder of its jars, fetched once, by whoever comes first. Raises NoKafka."""
    folder = ROOT / "var" / "containers" / f"kafka-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name("kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(version, folder)
    return folder


def _fetch(version: str, folder: Path) -> None:
    if not shutil.which("mvn"):
        raise NoKafka("Maven, which fetches Apache Kafka, is not installed (Debian: maven)")
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    what = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
    command = ["mvn", "-q", "-B", "-f", POM, f"-Dkafka.version={version}", *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
    if done.returncode:
        raise NoKafka(f"Maven Central does not give Apache Kafka: {done.stdout[-500:].strip()}")
    draft.replace(folder)


class ApacheKafka:
    """A broker of the pinned release, on loopback, with its data in a folder."""

    def __init__(self, folder: Path, node: int = 1, ports: Mapping[int, tuple[int, int]] | None = None) -> None:
        """Lay it out: alone, or as one of those whose ports, for clients and controllers, are given. Raises NoKafka."""
        if not shutil.which("java"):
            raise NoKafka("Java, which runs Apache Kafka, is not installed (Debian: default-jre-headless)")
        self._folder, self._classes = folder, f"{jars(pinned_version())}/*"
        self._process: subprocess.Popen[bytes] | None = None
        ports = ports or {node: (free_port(), free_port())}
        port, controller = ports[node]
        self.bootstrap = f"127.0.0.1:{port}"
        for name in ("defaults", "mounted", "configuration"):
            (folder / name).mkdir()
        self._java(
            *(LAUNCHER, "setup", "--default-configs-dir", folder / "defaults"),
            *("--mounted-configs-dir", folder / "mounted", "--final-configs-dir", folder / "configuration"),
            said={
                "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw",
                "KAFKA_NODE_ID": str(node),
                "KAFKA_PROCESS_ROLES": "broker,controller",
                "KAFKA_LISTENERS": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}",
                "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self.bootstrap}",
                "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
                "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                "KAFKA_CONTROLLER_QUORUM_VOTERS": ",".join(f"{it}@127.0.0.1:{at}" for it, (_, at) in ports.items()),
                "KAFKA_LOG_DIRS": str(folder / "data"),
                "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": str(len(ports)),
                "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": str(len(ports)),
                "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
                "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",  # nobody waits for members who do not come
                "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
                "KAFKA_LOG_CLEANER_DEDUPE_BUFFER_SIZE": "8388608",  # the default, 128 MiB in one piece, may not fit
            },
        )  # fmt: skip

    def start(self) -> None:
        """Run it until it answers. Raises KafkaException where it does not, with its log's end in a note."""
        self.launch()
        self.await_answer()

    def launch(self) -> None:
        """Run it. One of several answers only when most of them run."""
        command = self._command("kafka.Kafka", self._folder / "configuration" / "server.properties")
        with (self._folder / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)

    def await_answer(self) -> None:
        """Raises KafkaException where it does not answer, with its log's end in a note."""
        try:
            AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(timeout=START_SECONDS)
        except KafkaException as error:
            error.add_note((self._folder / "broker.log").read_text()[-2000:])
            raise

    def kill(self) -> None:
        """As a crash ends it; what it had acknowledged is in its folder."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _java(self, *arguments: str | Path, said: Mapping[str, str]) -> None:
        done = subprocess.run(
            self._command(*arguments), env={**os.environ, **said}, capture_output=True, text=True, timeout=START_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _command(self, *arguments: str | Path) -> list[str | Path]:
        return ["java", "-Xms128m", "-Xmx256m", "-cp", self._classes, *arguments]


@contextmanager
def apache_kafka(folder: Path) -> Iterator[ApacheKafka]:
    """A running broker as long as the block runs. Raises NoKafka."""
    broker = ApacheKafka(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
