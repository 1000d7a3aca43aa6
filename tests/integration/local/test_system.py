"""The runner, with the two parts that are quick to start: PostgreSQL and the broker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from include.local.lock import Lock
from include.local.part import LocalError, Part
from include.local.settings import ROOT, LocalSettings
from include.local.supervisor import Supervisor
from include.local.system import System
from include.oms.outside.systems import known_systems
from include.oms.testing.folders import memory_folder
from include.oms.testing.kafka import free_port

pytestmark = pytest.mark.integration

PARTS = {"postgresql", "kafka", "oms-migrations"}
PATIENCE_SECONDS = 120


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSettings]:
    """A folder and ports of the test's own. Not below pytest's folder, which its runs close to other users."""
    for name in ("OMS_DB", "THUNDERHEAD_API", "REFERENCE_DATA_API", "KAFKA_DEFAULT"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)
    with tempfile.TemporaryDirectory(prefix="oms-local-", dir=memory_folder()) as folder:
        yield LocalSettings(var_dir=Path(folder) / "var", postgres_port=free_port(), kafka_port=free_port())


@pytest.fixture
def said() -> list[str]:
    """What the runner has told."""
    return []


@pytest.fixture
def system(settings: LocalSettings, said: list[str]) -> Iterator[System]:
    """Two parts and a migration, not started yet."""
    system = small_system(settings, said.append)
    yield system
    system.stop()


def small_system(settings: LocalSettings, say: Callable[[str], None] = print) -> System:
    system = System(settings, say)
    system.parts = [part for part in system.parts if part.name in PARTS]
    return system


def pids(settings: LocalSettings) -> dict[str, int]:
    lines = (settings.var_dir / "local.pids").read_text().splitlines()
    return {name: int(pid) for name, pid in (line.split() for line in lines)}


def watch_until(system: System, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        system.watch()
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def topics(system: System) -> set[str]:
    return set(AdminClient({"bootstrap.servers": system.env["OMS_KAFKA_BOOTSTRAP"]}).list_topics(timeout=5).topics)


def assert_nothing_is_left(settings: LocalSettings, processes: dict[str, int]) -> None:
    assert [name for name, pid in processes.items() if is_alive(pid)] == []
    assert not (settings.var_dir / "local.pids").exists()
    assert not (settings.var_dir / "local.env").exists()


def test_it_starts_serves_and_leaves_nothing(system: System, settings: LocalSettings) -> None:
    with system:
        processes = pids(settings)
        assert processes.keys() == {"supervisord", "postgresql", "kafka"}
        assert (settings.var_dir / "local.env").stat().st_mode & 0o077 == 0
        with psycopg.connect(system.env["OMS_DATABASE_URL"]) as connection:
            assert connection.execute("SELECT count(*) FROM outside_systems").fetchone() == (len(known_systems()),)
        assert settings.kafka_topic in topics(system)
    assert_nothing_is_left(settings, processes)


def test_data_are_still_there_at_the_next_start(system: System, settings: LocalSettings) -> None:
    with system, psycopg.connect(system.env["OMS_DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept ()")
    with small_system(settings) as again, psycopg.connect(again.env["OMS_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_second_start_says_so_and_does_no_harm(system: System, settings: LocalSettings) -> None:
    with system:
        before = pids(settings)
        with pytest.raises(LocalError, match="running already"):
            small_system(settings).start()
        assert pids(settings) == before
        assert all(is_alive(pid) for pid in before.values())


def test_a_taken_port_stops_the_start(system: System, settings: LocalSettings) -> None:
    with socket.create_server(("127.0.0.1", settings.kafka_port)):
        with pytest.raises(LocalError, match=f"Port {settings.kafka_port} for kafka is taken.*OMS_KAFKA_PORT"):
            system.start()
        assert not (settings.var_dir / "postgres").exists()
    with Lock(settings.var_dir):
        pass


def test_a_part_that_is_killed_comes_back(system: System, settings: LocalSettings, said: list[str]) -> None:
    with system:
        before = pids(settings)
        for name in ("kafka", "postgresql"):
            os.kill(before[name], signal.SIGKILL)
        watch_until(system, lambda: {"✓ kafka is ready again", "✓ postgresql is ready again"} <= set(said))
        after = pids(settings)
        assert [name for name in before if before[name] == after[name]] == ["supervisord"]
        assert settings.kafka_topic in topics(system)


def test_even_the_supervisor_may_be_killed(system: System, settings: LocalSettings) -> None:
    with system:
        before = pids(settings)
        os.kill(before["supervisord"], signal.SIGKILL)
        watch_until(system, lambda: pids(settings).keys() == before.keys() and pids(settings) != before)
        assert not any(is_alive(pid) for pid in before.values())
        psycopg.connect(system.env["OMS_DATABASE_URL"]).close()


def test_what_a_killed_runner_left_is_ended_at_the_next_start(system: System, settings: LocalSettings) -> None:
    code = f"""
from pathlib import Path
from tests.integration.local.test_system import LocalSettings, small_system
settings = LocalSettings(var_dir=Path({str(settings.var_dir)!r}), postgres_port={settings.postgres_port},
                         kafka_port={settings.kafka_port})
small_system(settings).start()
print("started", flush=True)
input()
"""
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert runner.stdout
    while b"started" not in runner.stdout.readline():
        assert runner.poll() is None
    before = pids(settings)
    runner.kill()
    runner.communicate()
    assert all(is_alive(pid) for pid in before.values())
    with system:
        assert not set(before.values()) & set(pids(settings).values())
        assert not any(is_alive(pid) for pid in before.values())


def test_ctrl_c_while_it_starts_leaves_nothing(system: System, settings: LocalSettings) -> None:
    def interrupt(_: str) -> None:
        mine = set(psutil.Process().children(recursive=True)) - others
        processes.update({process.name(): process.pid for process in mine})
        raise KeyboardInterrupt

    others = set(psutil.Process().children(recursive=True))  # of other tests' fixtures
    processes: dict[str, int] = {}
    interrupted = small_system(settings, interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupted.start()
    assert processes
    assert_nothing_is_left(settings, processes)


@pytest.mark.skipif(os.geteuid() != 0, reason="parts run as another user only where the runner is root")
def test_the_user_whom_a_part_runs_as_is_made_on_a_new_machine(settings: LocalSettings) -> None:
    user = f"oms_test_{os.getpid()}"
    supervisor = Supervisor(settings.var_dir, settings.log_dir)
    settings.log_dir.mkdir(parents=True)
    try:
        supervisor.start([Part(name="sleeper", command=("sleep", "60"), user=user)], os.environ)
        supervisor.launch("sleeper")
        watched = psutil.Process(supervisor.states()["sleeper"].pid)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while watched.username() != user:
            assert time.monotonic() < deadline, "it runs as somebody else"
            time.sleep(0.05)
    finally:
        supervisor.end()
        subprocess.run(["userdel", user], check=False, capture_output=True)


def test_what_supervisord_complains_of_is_told(settings: LocalSettings) -> None:
    supervisor = Supervisor(settings.var_dir, settings.log_dir)
    settings.log_dir.mkdir(parents=True)
    nonsense = Part(name="nonsense", command=("true",), stop_signal="NOSUCHSIGNAL")
    try:
        with pytest.raises(LocalError, match=r"did not start: .*NOSUCHSIGNAL"):
            supervisor.start([nonsense], os.environ)
    finally:
        supervisor.end()


def test_a_reload_runs_the_migrations_again_and_leaves_the_others_alone(
    system: System, settings: LocalSettings
) -> None:
    said: list[str] = []
    with system:
        before = pids(settings)
        with psycopg.connect(system.env["OMS_DATABASE_URL"]) as connection:
            connection.execute("DELETE FROM outside_systems WHERE system = 'KAFKA'")
        other = System(settings, said.append)
        other.parts = system.parts
        other.reload()
        assert [line for line in said if line.startswith("✓ oms-migrations done")]
        with psycopg.connect(system.env["OMS_DATABASE_URL"]) as connection:
            assert connection.execute("SELECT count(*) FROM outside_systems WHERE system = 'KAFKA'").fetchone() == (1,)
        assert pids(settings) == before


def test_a_reload_of_a_system_that_is_not_up_says_so(settings: LocalSettings) -> None:
    with pytest.raises(LocalError, match="is not up"):
        System(settings).reload()
