"""The deployment, as its page sets it up: a fresh copy of the repository, its commands, and what one asks of it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from include.deploy.environment import values
from include.local.chaos.reader import Message
from include.local.settings import ROOT
from tests.containers.engine import Engine

T = TypeVar("T")
PROJECT = "oms-containers"
TAG = "containers"  # of our images: an engine that was here before keeps its own
# What differs from the defaults: a worker's death shows within the time of a test, and there is a middle of a slice.
TUNING = {
    "OMS_VERSION": TAG,
    "OMS_SLICE_SIZE": "60",
    "OMS_MAX_SLICES": "4",
    "OMS_SLICE_SECONDS": "0",
    "OMS_CONCURRENCY": "8",
    "OMS_LEASE_SECONDS": "15",
    "OMS_SUBMIT_TIMEOUT_SECONDS": "5",
    "OMS_SETTLING_SECONDS": "6",
    "OMS_BACKOFF_BASE_SECONDS": "2",
    "OMS_THUNDERHEAD_LATENCY_SECONDS": "0.3",
    "OMS_GATEWAY_CLIENT_RATE": "1000",
    "OMS_GATEWAY_ADDRESS_RATE": "1000",
    "AIRFLOW_WORKER_CONCURRENCY": "3",
    "AIRFLOW_API_WORKERS": "1",
    "POSTGRES_SHARED_BUFFERS": "128MB",
}
HEALTHY_SECONDS = 600
ONCE = re.compile(r"-(roles|migrations)-1 exited")
THUNDERHEAD_PORT = 18082
READ_TOPIC = """
import base64, json, sys
from confluent_kafka import Consumer, TopicPartition
consumer = Consumer({"bootstrap.servers": "kafka:9092", "group.id": "test", "log_level": 0})
topic = sys.argv[1]
partitions = [TopicPartition(topic, it, 0) for it in consumer.list_topics(topic, timeout=20).topics[topic].partitions]
missing = sum(consumer.get_watermark_offsets(it, timeout=20)[1] for it in partitions)
consumer.assign(partitions)
while missing:
    for message in consumer.consume(500, timeout=0.5):
        assert not message.error(), message.error()
        print(json.dumps([(message.key() or b"").decode(), base64.b64encode(message.value()).decode()]))
        missing -= 1
"""


def say(text: str, *, began: float = time.monotonic()) -> None:
    """Progress, with the seconds since the start."""
    print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)


def wait_for(what: str, look: Callable[[], T | None], seconds: float, pause: float = 0.5) -> T:
    """The first thing that ``look`` finds. Raises AssertionError where it finds nothing in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@dataclass
class Deployment:
    """Run from a folder of its own; the repository's .env and var/ are left alone."""

    engine: Engine
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def copy_repository(self) -> None:
        """What a fresh clone has, changes that are not committed included."""
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
        for name in filter(None, files.split("\0")):
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)

    def run(self, line: str, seconds: float) -> str:
        """A line of the page, in a shell. Returns what it prints. Raises AssertionError with its complaint."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}{self._last_words()}"
        return done.stdout

    def tune(self) -> None:
        """Add the test's settings to .env, and read it."""
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{name}='{value}'\n" for name, value in TUNING.items())
        self.settings = values((self.folder / ".env").read_text())

    def compose(self, *arguments: str, seconds: float = 120) -> str:
        """A command of Compose."""
        return Engine(self._environment, self.engine.is_own).docker(
            "compose", *arguments, seconds=seconds, cwd=self.folder
        )

    def containers(self, service: str = "") -> list[str]:
        """The ids of the running ones, of a service or all."""
        return self.compose("ps", "--quiet", *filter(None, [service])).split()

    def services(self) -> list[str]:
        """All that stay, in the order of the file."""
        return self.compose("ps", "--services").split()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine says of a container."""
        [found] = json.loads(self.engine.docker("inspect", container))
        return dict(found)

    def address(self, service: str, network: str = "default") -> str:
        """A container's address, as this machine reaches it."""
        networks = self.inspect(self.containers(service)[0])["NetworkSettings"]["Networks"]
        return str(networks[f"{PROJECT}_{network}"]["IPAddress"])

    def database_url(self) -> str:
        """The OMS Database, from this machine."""
        return f"postgresql://oms:{self.settings['OMS_DATABASE_PASSWORD']}@{self.address('postgres')}:5432/oms"

    def thunderhead(self) -> tuple[str, dict[str, str]]:
        """The simulator's base URL, and the headers that let one in."""
        token = self.settings["OMS_THUNDERHEAD_TOKEN"]
        return f"http://{self.address('thunderhead')}:{THUNDERHEAD_PORT}", {"Authorization": f"Bearer {token}"}

    def messages(self, topic: str) -> list[Message]:
        """All that is in a topic, each partition in its order."""
        lines = self.compose("exec", "-T", "airflow-worker", "python", "-c", READ_TOPIC, topic).splitlines()
        read = [json.loads(line) for line in lines if line.startswith("[")]
        return [Message(key, base64.b64decode(value), place) for place, (key, value) in enumerate(read)]

    def calls_to_thunderhead(self, container: str) -> int:
        """Connections that a container has open to it now."""
        table = self.engine.docker("exec", container, "cat", "/proc/net/tcp", check=False)
        return len(re.findall(rf" [0-9A-F]{{8}}:{THUNDERHEAD_PORT:04X} 01 ", table))

    def restart(self, container: str) -> int:
        """As an operator does. Returns the exit code with which it ended."""
        grace = self.inspect(container)["Config"].get("StopTimeout") or 10
        self.engine.docker("stop", "--time", str(grace), container, seconds=grace + 60)
        ended = int(self.inspect(container)["State"]["ExitCode"])
        self.engine.docker("start", container)
        return ended

    def kill(self, container: str) -> None:
        """As a crash ends it: the engine is to start it again."""
        try:
            os.kill(self.inspect(container)["State"]["Pid"], signal.SIGKILL)
        except (PermissionError, ProcessLookupError):  # not root, or an engine elsewhere: it takes that for our wish
            self.engine.docker("kill", container)
            self.engine.docker("start", container)

    def wait_until_healthy(self, seconds: float = HEALTHY_SECONDS) -> None:
        """All containers that there are."""

        def look() -> bool:
            return not self.unhealthy()

        try:
            wait_for("all are healthy", look, seconds, pause=1)
        except AssertionError:
            raise AssertionError(f"not healthy in {seconds:.0f} s: {self.unhealthy()}{self._last_words()}") from None

    def unhealthy(self) -> list[str]:
        """Those that are not healthy, with their state."""
        form = "{{.Name}} {{.State}} {{.Health}}"
        lines = self.compose("ps", "--all", "--format", form).splitlines()
        return [line for line in lines if not line.endswith(" running healthy") and not ONCE.search(line)]

    def remove(self) -> None:
        """Everything of it: containers, networks, volumes, our images of this tag."""
        if (self.folder / ".env").exists():
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1", seconds=180)
        if not self.engine.is_own:
            ours = [f"oms-{name}:{TAG}" for name in ("services", "airflow", "gateway")]
            self.engine.docker("image", "rm", "--force", *ours, check=False)

    @property
    def _environment(self) -> dict[str, str]:
        return {**self.engine.environment, "COMPOSE_PROJECT_NAME": PROJECT}

    def _last_words(self) -> str:
        """What those that are not well have said."""
        form = "{{.Service}} {{.State}} {{.Health}} {{.ExitCode}}"
        with_state = self.compose("ps", "--all", "--format", form).splitlines()
        bad = {line.split()[0] for line in with_state if not re.search(r" running healthy 0$| exited +0$", line)}
        said = [self.compose("logs", "--no-color", "--tail", "15", name) for name in sorted(bad)]
        return "\n" + "\n".join(line[:200] for text in said for line in text.splitlines())[-9000:]
