"""One container without Docker: a process, all that it has started, and its health check."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from include.local.processes import wait_until_gone


class Process:
    """Started with an environment of its own, in a session of its own; what it says is in a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        user: str | None = None,
    ) -> None:
        self.name, self.log = name, log
        self._env, self._cwd = dict(env), cwd
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                env=self._env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
            )

    @property
    def exit_code(self) -> int | None:
        """None as long as it runs."""
        return self._popen.poll()

    def passes(self, check: Sequence[str]) -> bool:
        """Whether a health check succeeds, run where the process runs."""
        done = subprocess.run(check, env=self._env, cwd=self._cwd, capture_output=True, check=False, timeout=90)
        return done.returncode == 0

    def members(self) -> list[psutil.Process]:
        """It and all that it has started: its session, and whoever has left that."""
        found: dict[int, psutil.Process] = {}
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self._popen.pid)
            found = {process.pid: process for process in (leader, *leader.children(recursive=True))}
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self._popen.pid:
                    found[process.pid] = process
        return list(found.values())

    def kill(self) -> None:
        """SIGKILL to all of it at once, as where a container or its machine dies."""
        members = self.members()
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that nobody sees another die
            for process in members:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        self._popen.wait(10)
        assert not wait_until_gone(members, 10), f"{self.name} is still there"

    def stop(self) -> None:
        """Ask it to end: SIGINT is PostgreSQL's quick way. Killed, it would leave shared memory behind."""
        self._popen.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(10)
        self.kill()
