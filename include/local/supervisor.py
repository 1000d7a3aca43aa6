"""Supervisor (supervisord.org) keeps the parts running; this writes its configuration and talks to it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from include.local.part import LocalError, Part
from include.local.processes import end, session_members, wait_until_gone
from include.local.settings import ROOT

LONGEST_SOCKET_PATH = 90  # the kernel takes 107 characters, and supervisord appends its pid for a moment
START_SECONDS = 20
STOP_SECONDS = 30
RPC_INTERFACE = "supervisor.rpcinterface:make_main_rpcinterface"


@dataclass(frozen=True)
class State:
    """What supervisord knows of a part."""

    name: str
    state: str  # STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL
    pid: int  # 0: none
    exit_status: int

    @property
    def ended(self) -> bool:
        """It runs no more, and nobody will start it again by itself."""
        return self.state in ("STOPPED", "EXITED", "FATAL")


class Supervisor:
    """One supervisord with its parts. It and everything below it form one session of the kernel's."""

    def __init__(self, var_dir: Path, log_dir: Path) -> None:
        self._var_dir, self._log_dir = var_dir, log_dir
        self._session_file = var_dir / "supervisord.session"
        self._socket = _socket_path(var_dir)
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self, parts: Iterable[Part], environment: Mapping[str, str]) -> None:
        """Start supervisord with all parts known and none running. Raises LocalError where it does not answer."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        configuration = self._var_dir / "supervisord.conf"
        configuration.write_text("\n".join([self._daemon_section(), *(self._part_section(part) for part in parts)]))
        self._daemon = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(configuration)],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the runner alone, which stops the parts in order
        )
        self._session_file.write_text(str(self._daemon.pid))
        self._wait_for_answer()

    def launch(self, name: str) -> None:
        """Start a part, without waiting."""
        with suppress(Fault):  # it exits at once: its state tells
            self._call("startProcess", name, False)

    def halt(self, name: str) -> None:
        """Stop a part, without waiting."""
        with suppress(Fault):  # it was not running
            self._call("stopProcess", name, False)

    def states(self) -> dict[str, State]:
        """Every part by its name. Raises LocalError where supervisord is gone."""
        return {
            row["name"]: State(row["name"], row["statename"], row["pid"], row["exitstatus"])
            for row in self._call("getAllProcessInfo")
        }

    @property
    def pid(self) -> int:
        """Of supervisord."""
        return self._daemon.pid if self._daemon else 0

    def end(self) -> None:
        """Stop supervisord and whatever is left of this or an earlier start."""
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

    def _wait_for_answer(self) -> None:
        assert self._daemon
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._daemon.poll() is None:
            with suppress(LocalError):
                self.states()
                return
            time.sleep(0.05)
        raise LocalError(f"supervisord did not start: see {self._log_dir / 'supervisord.log'}")

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

    def _daemon_section(self) -> str:
        daemon = {
            "nodaemon": "true",
            "logfile": str(self._log_dir / "supervisord.log"),
            "logfile_maxbytes": "1MB",
            "logfile_backups": "1",
            "pidfile": str(self._var_dir / "supervisord.pid"),
            "childlogdir": str(self._log_dir),
            "minfds": "256",
        }
        if os.geteuid() == 0:
            daemon["user"] = "root"  # said, so that it does not warn
        return "\n".join(
            [
                _section("supervisord", daemon),
                _section("unix_http_server", {"file": str(self._socket), "chmod": "0600"}),
                _section("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": RPC_INTERFACE}),
            ]
        )

    def _part_section(self, part: Part) -> str:
        user = {"user": part.user} if part.user else {}
        return _section(
            f"program:{part.name}",
            {
                "command": shlex.join(part.command),
                "directory": str(ROOT),
                "autostart": "false",
                "autorestart": "false" if part.once else "true",
                "startsecs": "0" if part.once else "2",
                "startretries": "5",
                "stopsignal": part.stop_signal,
                "stopwaitsecs": str(part.stop_seconds),
                "killasgroup": "true",
                "redirect_stderr": "true",
                "stdout_logfile": str(self._log_dir / f"{part.name}.log"),
                "stdout_logfile_maxbytes": "20MB",
                "stdout_logfile_backups": "2",
                **user,
            },
        )


def _section(name: str, values: Mapping[str, str]) -> str:
    """A section of its INI file, in which a percent sign starts a substitution unless doubled."""
    return "\n".join([f"[{name}]", *(f"{key}={value.replace('%', '%%')}" for key, value in values.items()), ""])


def _socket_path(var_dir: Path) -> Path:
    """In var_dir; where its path is too long for a socket, in a private folder of the temporary directory."""
    path = var_dir / "supervisord.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    folder = Path(tempfile.gettempdir()) / f"oms-{os.geteuid()}-{sha256(os.fsencode(var_dir)).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / "supervisord.sock"
