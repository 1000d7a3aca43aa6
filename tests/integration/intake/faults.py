"""A PostgreSQL and an intake that are there to be killed, run as a supervisor runs them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil
import psycopg

from include.local.part import NotReady
from include.local.postgres import postgres_part
from include.local.secrets import Secrets
from include.local.settings import LocalSettings
from include.oms.testing.folders import memory_folder
from include.oms.testing.kafka import free_port
from include.oms.testing.postgres import ROOT, migrate
from oms_intake.settings import IntakeSettings

PATIENCE_SECONDS = 120


def wait_until(is_so: Callable[[], bool]) -> None:
    """Raises AssertionError where it is not so in half a minute."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


class Postgres:
    """A server of its own, with an OMS Database in it. What it acknowledged outlives the death of its processes."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="oms-postgres-", dir=memory_folder()))
        secrets = Secrets()
        self._part = postgres_part(LocalSettings(var_dir=self._folder, postgres_port=free_port()), secrets)
        port = self._part.listen.port if self._part.listen else 0
        self.url = f"postgresql://oms:{secrets.oms_database_password}@127.0.0.1:{port}/oms"
        self._superuser = f"postgresql://postgres:{secrets.postgres_password}@127.0.0.1:{port}/oms"
        self._part.prepare()
        self.start()
        self.wait_until_ready()
        self._part.when_ready()
        migrate(self.url, "upgrade", "head")

    def start(self) -> None:
        """Begin to start; what a server before it has left behind is recovered first."""
        user = self._part.user
        who: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        self._part.prepare()
        # Its own process group, so that all of it can be killed at once. The disk is not what dies here.
        self.process = subprocess.Popen(
            [*self._part.command, "--fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **who,
        )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Raises AssertionError where it does not answer."""

        def answers() -> bool:
            with suppress(NotReady):
                self._part.probe()
                return True
            return False

        wait_until(answers)

    def kill(self) -> None:
        """All of it, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def shut_down(self) -> None:
        """As an administrator does: every session is told, and ended."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE_SECONDS)

    def crash(self) -> None:
        """One session dies; the server ends all others and recovers."""
        with suppress(StopIteration, psutil.NoSuchProcess):
            next(self._sessions()).kill()

    def end_sessions(self) -> None:
        """All of the intake's, politely."""
        with suppress(psycopg.OperationalError), psycopg.connect(self._superuser, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE application_name = 'oms-intake'")  # fmt: skip

    def remove(self) -> None:
        """For good."""
        self.kill()
        shutil.rmtree(self._folder)

    def _sessions(self) -> Iterator[psutil.Process]:
        for child in psutil.Process(self.process.pid).children():
            if " oms 127.0.0.1" in " ".join(child.cmdline()):
                yield child


class SupervisedIntake:
    """The intake's server. Its log is a pipe that is closed when it dies, as supervisord and containers have it."""

    def __init__(self, settings: IntakeSettings) -> None:
        self.url = f"http://127.0.0.1:{settings.intake_port}"
        self.log: list[str] = []
        given = settings.model_dump(exclude_unset=True, exclude_none=True)
        self._env = os.environ | {f"OMS_{name.upper()}": str(value) for name, value in given.items()}
        self._readers: list[Thread] = []
        self.start()
        self.wait_until_ready()

    def start(self) -> None:
        """Begin to start."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "oms_intake/gunicorn.conf.py", "oms_intake.wsgi:app"],
            cwd=ROOT, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._readers.append(Thread(target=self._read, args=(self.process,), daemon=True))
        self._readers[-1].start()

    def wait_until_ready(self) -> None:
        """Started again where it has given up, as a supervisor does. Raises AssertionError with the log."""

        def answers() -> bool:
            if self.process.poll() is not None:
                self.start()
            if not any(f"({self.process.pid})" in line for line in self.log if "Listening at" in line):
                return False  # a worker of the server before it may still be there, and answer
            with suppress(httpx.HTTPError):
                return httpx.get(f"{self.url}/healthz", trust_env=False, timeout=2).status_code == 200
            return False

        try:
            wait_until(answers)
        except AssertionError as error:
            raise AssertionError("\n".join(self.log[-50:])) from error

    def kill(self) -> None:
        """The arbiter; its workers notice within a second."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """In order. Raises AssertionError where it does not end well."""
        self.process.terminate()
        ended = self.process.wait(PATIENCE_SECONDS + 10)
        assert ended == 0, (ended, self.log[-20:])

    def signal_worker(self, number: signal.Signals) -> None:
        """One of its processes."""
        with suppress(psutil.NoSuchProcess, IndexError):
            psutil.Process(self.process.pid).children()[0].send_signal(number)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        os.set_blocking(process.stdout.fileno(), False)
        pending = b""
        while process.poll() is None:
            pending += process.stdout.read() or b""
            *lines, pending = pending.split(b"\n")
            self.log += [line.decode() for line in lines]
            time.sleep(0.005)
        process.stdout.close()
