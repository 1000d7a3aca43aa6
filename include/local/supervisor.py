"""Supervisor (supervisord.org) keeps the parts running; this starts it and talks to it."""

from __future__ import annotations

import pwd
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from include.local.part import LocalError, Part
from include.local.processes import end, session_members, wait_until_gone
from include.local.secrets import write_private
from include.local.settings import ROOT
from include.local.supervisor_config import socket_path, supervisor_config

START_SECONDS = 20
STOP_SECONDS = 30


@dataclass(frozen=True)
class PartState:
    """What supervisord knows of a part."""

    name: str
    state: str  # STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL
    pid: int  # 0: none
    exit_status: int

    @property
    def ended(self) -> bool:
        """Whether the part has stopped for good: supervisord will not start it again."""
        return self.state in ("STOPPED", "EXITED", "FATAL")


class Supervisor:
    """One supervisord with its parts. It and all its descendants form one session of the kernel."""

    def __init__(self, var_dir: Path, log_dir: Path) -> None:
        self._var_dir, self._log_dir = var_dir, log_dir
        self._complaints = log_dir / "supervisord.err"  # its output before it has a log
        self._session_file = var_dir / "supervisord.session"
        self._socket = socket_path(var_dir)
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self, parts: Iterable[Part], environment: Mapping[str, str]) -> None:
        """Start supervisord with all parts known and none running. Raises LocalError where it does not answer."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        parts = list(parts)
        for user in {part.user for part in parts if part.user}:  # it refuses a configuration with an unknown user
            _make_user(user)
        configuration = self._var_dir / "supervisord.conf"
        write_private(configuration, supervisor_config(parts, self._var_dir, self._log_dir))
        with self._complaints.open("wb") as complaints:
            self._daemon = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(configuration)],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # what its log has, too
                stderr=complaints,
                start_new_session=True,  # Ctrl-C reaches the runner alone, which stops the parts in order
            )
        self._session_file.write_text(str(self._daemon.pid))
        self._wait_for_answer()

    def launch(self, name: str) -> None:
        """Start a part, without waiting."""
        with suppress(Fault):  # it exits at once: its state shows that
            self._call("startProcess", name, False)

    def halt(self, name: str) -> None:
        """Stop a part, without waiting."""
        with suppress(Fault):  # it was not running
            self._call("stopProcess", name, False)

    def states(self) -> dict[str, PartState]:
        """Every part by its name. Raises LocalError where supervisord is gone."""
        return {
            row["name"]: PartState(row["name"], row["statename"], row["pid"], row["exitstatus"])
            for row in self._call("getAllProcessInfo")
        }

    @property
    def pid(self) -> int:
        """Of supervisord."""
        return self._daemon.pid if self._daemon else 0

    def end(self) -> None:
        """Stop supervisord and all processes that are left of this or an earlier start."""
        try:
            session = int(self._session_file.read_text())
        except (FileNotFoundError, ValueError):
            return
        members = session_members(session, (ROOT, self._var_dir))
        daemons = [process for process in members if process.pid == session]
        for daemon in daemons:
            daemon.terminate()  # it stops its parts first
        wait_until_gone(daemons, STOP_SECONDS)
        end(session_members(session, (ROOT, self._var_dir)))
        if self._daemon:
            self._daemon.wait(timeout=1)
        self._session_file.unlink(missing_ok=True)
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self._var_dir:
            self._socket.parent.rmdir()

    def _wait_for_answer(self) -> None:
        assert self._daemon
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._daemon.poll() is None:
            with suppress(LocalError):
                self.states()
                return
            time.sleep(0.05)
        why = self._complaints.read_text(errors="replace").strip() or f"see {self._log_dir / 'supervisord.log'}"
        raise LocalError(f"supervisord did not start: {why}")

    def _call(self, method: str, *arguments: Any) -> Any:
        """One call over its socket; a connection a call, as calls are rare."""
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        try:
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except OSError as error:
            raise LocalError(
                f"The system in {self._var_dir} is not up: supervisord does not answer ({error})."
            ) from error


def _make_user(name: str) -> None:
    """Make sure that this user exists on the machine. Raises LocalError if it cannot be made."""
    with suppress(KeyError):
        pwd.getpwnam(name)
        return
    try:
        subprocess.run(["useradd", "--system", name], check=True, capture_output=True, text=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or error
        raise LocalError(f"The user {name}, whom a part runs as, cannot be made: {why}") from error
