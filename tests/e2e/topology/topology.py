"""The services of the compose file as processes of this machine: started in its order, healthy by its checks.

Commands and environments are the file's own, with addresses and folders of this machine put in. Of another make are
only what the images of others hold: PostgreSQL and the broker are out of wheels, nginx and Redis are Debian's.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from include.local.broker import broker_part
from include.local.postgres import postgres_part, programs
from include.local.secrets import Secrets
from include.local.settings import ROOT, LocalSettings
from tests.e2e.topology.compose import Service
from tests.e2e.topology.image import Image, dockerfile_of, is_ours, lay_out
from tests.e2e.topology.jail import jailed
from tests.e2e.topology.places import PROGRAMS, Places
from tests.e2e.topology.process import Process

START_SECONDS = 300  # 50 on two cores that have nothing else to do
PAUSE_SECONDS = 1
NOT_HERE = {"prometheus", "grafana", "otel-collector", "jaeger", "issuer"}


class Topology:
    """A context manager: everything is up on entry, and gone on exit."""

    def __init__(self, compose: dict[str, Any], places: Places, scale: Mapping[str, int]) -> None:
        self.services: dict[str, Service] = {n: it for n, it in compose["services"].items() if n not in NOT_HERE}
        self.processes: dict[str, Process] = {}
        self.places = places
        self._scale = scale
        self._images: dict[Path, Image] = {}
        self._ready: dict[str, str] = {}  # conditions of depends_on that have come true

    def __enter__(self) -> Topology:
        try:
            self._bring_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name, process in reversed(self.processes.items()):
            if name == "postgres":
                process.stop()
            else:
                process.kill()

    def instances(self, service: str) -> list[Process]:
        """The processes of a service, as many as it is scaled to."""
        return [process for name, process in self.processes.items() if self._service_of(name) == service]

    def _bring_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._ready.keys() != self.services.keys():
            for name in self.services.keys() - self._ready.keys():
                self._advance(name)
            missing = sorted(self.services.keys() - self._ready.keys())
            assert time.monotonic() < deadline, f"not up in {START_SECONDS} s: {missing}{self._last_words(missing)}"
            time.sleep(PAUSE_SECONDS)

    def _advance(self, name: str) -> None:
        """Start it where all it waits for is there; note once it is there itself."""
        service, started = self.services[name], self.instances(name)
        if not started:
            if all(self._ready.get(on) == how["condition"] for on, how in service.get("depends_on", {}).items()):
                self._start(name, service)
        elif all(process.exit_code == 0 for process in started):
            self._ready[name] = "service_completed_successfully"
        else:
            for process in started:
                assert process.exit_code is None, f"{process.name} ended: {process.log.read_text()[-3000:]}"
            check = self._check(name, service)
            if check and all(process.passes(check) for process in started):
                if name == "postgres":
                    self._make_databases(started[0])
                self._ready[name] = "service_healthy"

    def _start(self, name: str, service: Service) -> None:
        if name == "kafka-topics":  # a program of Kafka's own image; what it is told is done all the same
            self._make_topics(service)
            self._ready[name] = "service_healthy"
            return
        count = self._scale.get(name, 1)
        for number in range(1, count + 1):
            instance = f"{name}-{number}" if count > 1 else name
            self.processes[instance] = self._process(instance, name, service)

    def _process(self, instance: str, name: str, service: Service) -> Process:
        log = self.places.folder / f"{instance}.log"
        if name in ("postgres", "oms-roles", "kafka", "redis"):
            return self._of_another_make(name, service, log)
        image = self._image(service)
        command = [self.places.here(word, image.root) for word in service.get("command") or image.command]
        if name == "airflow-worker":  # containers have a name each
            command += ["--celery-hostname", instance]
        env = self._environment(name, service, image) | {"HOSTNAME": instance}
        log.touch()
        writable = self._writable(service)
        for path in (*writable, log):  # as Docker has it
            os.chown(path, image.user, image.user)
        command = jailed(command, user=image.user, writable=writable)
        return Process(instance, command, env=env, cwd=image.root / image.workdir[1:], log=log)

    def _writable(self, service: Service) -> list[Path]:
        """Its volumes and tmpfs, made where they are missing; /tmp is the jail's own."""
        mounts = [mount.split(":")[0] for mount in service.get("tmpfs", [])]
        mounts += [mount["target"] for mount in service.get("volumes", []) if mount["type"] == "volume"]
        folders = [self.places.path(mount) for mount in mounts if mount != "/tmp"]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        return folders

    def _of_another_make(self, name: str, service: Service, log: Path) -> Process:
        """The command of the compose file where the program is the same; told where to listen and to keep its data."""
        settings, user = self.local_settings, None
        command, env = list(service.get("command") or []), {"PATH": PROGRAMS, **self._given(service)}
        port = str(self.places.ports.get(name))
        if name == "postgres":
            part = postgres_part(settings, Secrets(postgres_password=env["POSTGRES_PASSWORD"]))
            part.prepare()
            data, user = str(settings.var_dir / "postgres"), part.user
            here = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
            command = [str(programs() / command[0]), "-D", data, *command[1:], "-p", port, *here]
            env |= {"PATH": f"{programs()}:{PROGRAMS}", "PGPORT": port}
            env["PGPASSWORD"] = env["POSTGRES_PASSWORD"]
        elif name == "oms-roles":
            [script] = service["volumes"]
            words = [script["source"] if word == script["target"] else word for word in command[1:]]
            command = [str(programs() / command[0]), *(self.places.here(word, self.places.folder) for word in words)]
        elif name == "kafka":
            command = list(broker_part(settings).command)
        else:
            command = [word.replace("/tmp/", f"{self.places.folder}/") for word in command]
            command += ["--port", port, "--bind", "127.0.0.1", "--dir", str(self.places.folder)]
        return Process(name, command, env=env, cwd=ROOT, log=log, user=user)

    @property
    def local_settings(self) -> LocalSettings:
        """Those of the runner for one machine, whose PostgreSQL and broker are used here."""
        ports = self.places.ports
        return LocalSettings(
            var_dir=self.places.folder / "var", postgres_port=ports["postgres"], kafka_port=ports["kafka"]
        )

    def _image(self, service: Service) -> Image:
        dockerfile = dockerfile_of(service)
        if dockerfile not in self._images:
            root = self.places.folder / "images" / dockerfile.parent.name
            self._images[dockerfile] = lay_out(dockerfile, root)
        return self._images[dockerfile]

    def _environment(self, name: str, service: Service, image: Image) -> dict[str, str]:
        """The image's and the compose file's, nothing of this process's own."""
        both = {"PATH": PROGRAMS, **image.environment, **self._given(service)}
        here = {key: self.places.here(value, image.root) for key, value in both.items()}
        user = {"USER": "oms", "HOME": str(self.places.folder)}  # who the images' passwd says that it is
        return {**user, "LANG": "C.UTF-8", **here, **self.places.listening(name)}

    @staticmethod
    def _given(service: Service) -> dict[str, str]:
        return {key: value for key, value in service.get("environment", {}).items() if value is not None}

    def _check(self, name: str, service: Service) -> list[str]:
        """Its health check, with this machine's places. Empty where it has none."""
        kind, *words = service.get("healthcheck", {}).get("test", ["NONE"])
        root = self._image(service).root if is_ours(service) else self.places.folder
        words = [self.places.here(word, root) for word in words]
        if name == "kafka":
            words = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self.places.ports['kafka']}"]  # no nc here
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words

    @staticmethod
    def _make_databases(postgres: Process) -> None:
        """What the image does at its first start."""
        file = ROOT / "include/deploy/postgres/databases.sql"
        command = ["psql", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
        assert postgres.passes([*command, "-h", "127.0.0.1", "-U", "postgres"]), "databases.sql cannot be run"

    def _last_words(self, services: list[str]) -> str:
        started = [process for name in services for process in self.instances(name)]
        return "".join(f"\n{process.name}: {process.log.read_text()[-1500:]}" for process in started)

    def _make_topics(self, service: Service) -> None:
        told = dict(itertools.pairwise(service["command"]))
        bootstrap = self.places.here(told["--bootstrap-server"], self.places.folder)
        client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        partitions, replicas = int(told["--partitions"]), int(told["--replication-factor"])
        topics = [NewTopic(name, partitions, replicas) for name in service["environment"]["TOPICS"].split()]
        for done in client.create_topics(topics, request_timeout=60).values():
            done.result()

    def _service_of(self, instance: str) -> str:
        return instance if instance in self.services else instance.rpartition("-")[0]


def missing_programs() -> list[str]:
    """What has to be installed for this, and is not."""
    return [name for name in ("redis-server", "nginx", "envsubst", "openssl", "curl") if not _found(name)]


def _found(name: str) -> bool:
    return shutil.which(name, path=PROGRAMS) is not None
