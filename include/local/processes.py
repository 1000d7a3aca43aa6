"""Processes that an earlier start has left behind, and processes that hold a port."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import psutil

from include.local.part import LocalError, Part

PATIENCE_SECONDS = 5
PAUSE_SECONDS = 0.05


def session_members(session: int, folders: tuple[Path, ...]) -> list[psutil.Process]:
    """Every process of a session that works in one of the folders.

    All parts and all they start stay in the supervisor's session, orphans too. The folder guards against a
    session id that another program has got since.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            inside = any(Path(process.cwd()).is_relative_to(folder) for folder in folders)
            if inside and os.getsid(process.pid) == session and _is_alive(process):
                found.append(process)
    return found


def end(processes: list[psutil.Process]) -> None:
    """Ask them to stop (SIGINT, the quick way for all our parts), then kill those that have not."""
    _signal(processes, signal.SIGINT)
    alive = wait_until_gone(processes, PATIENCE_SECONDS)
    _signal(alive, signal.SIGKILL)
    wait_until_gone(alive, PATIENCE_SECONDS)


def wait_until_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for processes that are not all our children. Returns those that are still there.

    A zombie counts as gone: in a container it may never be reaped.
    """
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return alive


def kill_idle_orphans(group: int) -> None:
    """Kill what a dead part has left in its process group, except processes that have children.

    A killed scheduler leaves its pool of workers behind, which wait for ever. A worker with a child runs a task: it
    may finish.
    """
    parents = {parent for process in psutil.process_iter(["ppid"]) if (parent := process.info["ppid"])}
    idle = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.pid not in parents:
                idle.append(process)
    _signal(idle, signal.SIGKILL)


def check_ports(parts: list[Part]) -> None:
    """Raise LocalError naming each port that is taken, by whom, and the setting that moves it."""
    taken = [
        f"Port {part.listen.port} for {part.name} is taken{_holder(part.listen.port)}: "
        f"stop that, or set {part.listen.setting} to a free port."
        for part in parts
        if part.listen and not _is_free(part.listen.port)
    ]
    if taken:
        raise LocalError("\n".join(taken))


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # remains of closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    with suppress(psutil.Error, OSError):  # others' processes are not always ours to see
        for it in psutil.net_connections(kind="inet"):
            if it.status == psutil.CONN_LISTEN and it.laddr and it.laddr.port == port and it.pid:
                return f" by {psutil.Process(it.pid).name()} (pid {it.pid})"
    return ""
