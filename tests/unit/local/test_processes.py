"""Ports, locks, and what is left of an earlier start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from include.local.lock import Lock
from include.local.part import Listen, LocalError, Part
from include.local.processes import check_ports, end, kill_idle_orphans, session_members


def test_a_taken_port_is_named_with_its_part_and_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        part = Part(name="intake", command=(), listen=Listen(port, "OMS_INTAKE_PORT"))
        with pytest.raises(
            LocalError, match=rf"Port {port} for intake is taken .*\(pid {os.getpid()}\).*OMS_INTAKE_PORT"
        ):
            check_ports([part, Part(name="scheduler", command=())])
    check_ports([part])


def test_there_is_one_runner_a_folder(tmp_path: Path) -> None:
    with Lock(tmp_path), pytest.raises(LocalError, match="running already"):
        Lock(tmp_path).take()
    with Lock(tmp_path):
        pass


def test_a_session_is_found_by_its_id_and_folder_and_ended(tmp_path: Path) -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    leader = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, start_new_session=True, cwd=tmp_path
    )
    try:
        while len(session_members(leader.pid, (tmp_path,))) < 2:
            assert leader.poll() is None
        assert session_members(leader.pid, (tmp_path / "elsewhere",)) == []
        assert session_members(os.getpid(), (tmp_path,)) == []
        end(session_members(leader.pid, (tmp_path,)))
        assert session_members(leader.pid, (tmp_path,)) == []
    finally:
        leader.kill()
        leader.communicate()


def test_an_orphan_with_a_child_is_left_to_finish(tmp_path: Path) -> None:
    waits = [sys.executable, "-c", "input()"]
    starts = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], start_new_session=True)"
    works = [sys.executable, "-c", starts]
    idle = subprocess.Popen(waits, stdin=subprocess.PIPE, start_new_session=True)
    busy = subprocess.Popen(works, stdin=subprocess.PIPE, start_new_session=True)
    try:
        assert busy.stdin
        while not psutil.Process(busy.pid).children():
            assert busy.poll() is None
        kill_idle_orphans(idle.pid)
        kill_idle_orphans(busy.pid)
        assert idle.wait(timeout=5) == -9
        assert busy.poll() is None
    finally:
        busy.communicate(b"\n")
        idle.communicate()
