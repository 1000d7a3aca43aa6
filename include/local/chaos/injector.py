"""Break one part, by the pid of its process, and wait until it works again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import psutil
import psycopg
from confluent_kafka.admin import AdminClient

from include.local.broker import create_topics
from include.local.chaos.operator import clear, publish_set_aside, write_token
from include.local.chaos.plan import Injection
from include.local.chaos.reader import Reader
from include.local.chaos.rows import events_wait, newest_event, nobody_publishes, red_slices
from include.local.chaos.simulator import Simulator
from include.local.chaos.system import ISSUER, ChaosSystem
from include.local.environment import client_token, client_tokens
from include.local.part import LocalError, NotReady
from include.local.supervisor import PartState, Supervisor

BACK_SECONDS = 120  # until a part is ready again
VICTIM_SECONDS = 15  # longest wait for a task that can be killed
OUTAGE_SECONDS = (4.0, 12.0)  # longer than a submit's time-out, and than the settling time
FROZEN_SECONDS = 8  # longer than publish_timeout_seconds
SUSPENDED_SECONDS = 8  # more than the lease: another worker has taken over
MISSING_TOPIC = "oms.chaos.missing"  # one document's, which nobody has made at first
CATCH_UP_SECONDS = 30
TRIES = 5

PARTS = {
    "kill the scheduler": "scheduler",
    "kill the triggerer": "triggerer",
    "kill the DAG processor": "dag-processor",
    "kill the API server": "api-server",
    "kill the intake": "intake",
    "kill the Reference Data API": "reference-data",
    "kill PostgreSQL": "postgresql",
}
OUTAGES = {
    "Thunderhead refuses": "refuse",
    "Thunderhead refuses for some seconds": "retry_after_seconds",
    "Thunderhead refuses until a time": "retry_after_date",
    "Thunderhead hangs": "hang",
    "Thunderhead knows nobody": "unauthorized",
    "Thunderhead cuts connections": "reset",
}


class Injector:
    """Injects faults. ``look`` is called repeatedly while it waits."""

    def __init__(
        self, system: ChaosSystem, reader: Reader, reader_of_missing: Reader, simulator: Simulator,
        look: Callable[[], None],
    ) -> None:  # fmt: skip
        """``reader_of_missing`` reads the topic that is missing until it is made."""
        self._system, self._simulator, self._look = system, simulator, look
        self._reader, self._reader_of_missing, self._is_missing = reader, reader_of_missing, True
        self._supervisor = Supervisor(system.settings.var_dir, system.settings.log_dir)
        self._parts = {part.name: part for part in system.parts}

    def inject(self, injection: Injection) -> bool:
        """Inject the fault; False if there was nothing to break. Raises LocalError if a part does not come back."""
        kind, chance = injection.kind, injection.chance
        if kind in PARTS:
            self._end(PARTS[kind], signal.SIGKILL)
        elif kind in OUTAGES:
            self._cut_off(OUTAGES[kind], chance)
        elif kind == "kill the scheduler and all its tasks":
            self._end("scheduler", signal.SIGKILL, whole_group=True)
        elif kind == "restart PostgreSQL":
            self._end("postgresql", signal.SIGINT)  # its fast shutdown: every session is ended
        elif kind == "kill the broker":
            self._kill_broker()
        elif kind == "freeze the broker":
            self._freeze_broker()
        elif kind == "fail PostgreSQL over in silence":
            self._system.relay.fall_silent()
        elif kind == "write its token with line ends":
            self._write_tokens(chance)
        elif kind == "the issuer is out, and changes its keys":
            self._change_keys(chance)
        elif kind == "suspend a task":
            return self._suspend_task()
        elif kind == "make the topic that is missing":
            return self.make_topic()
        elif kind == "kill a process of the intake":
            return self._kill_one(psutil.Process(self._state("intake").pid).children(), chance)
        elif kind == "clear a red task instance":
            return self._clear(chance)
        else:
            return self._kill_task(supervising=kind == "kill a task's supervisor")
        return True

    def wait(self, seconds: float) -> None:
        """Wait while the system works."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._look()

    def _end(self, name: str, number: signal.Signals, *, whole_group: bool = False) -> None:
        """Signal a part, and wait until it is ready again under another pid."""
        before = self._state(name).pid
        if whole_group:
            os.killpg(before, number)
        else:
            os.kill(before, number)
        self._await_return(name, before)

    def _await_return(self, name: str, before: int) -> None:
        deadline, missing = time.monotonic() + BACK_SECONDS, "it was not started again"
        while time.monotonic() < deadline:
            self._look()
            state = self._supervisor.states()[name]
            if state.state == "RUNNING" and state.pid != before:
                try:
                    return self._parts[name].probe()
                except NotReady as error:
                    missing = str(error)
        raise LocalError(f"{name} is not back {BACK_SECONDS} s after it was ended: {missing}")

    def _kill_broker(self) -> None:
        """Kill the broker while nobody publishes and all messages are read, because it loses its messages."""
        for _ in range(TRIES):
            with suppress(psycopg.Error), nobody_publishes(self._system.addresses.database_url):
                readers = [self._reader, *([] if self._is_missing else [self._reader_of_missing])]
                for reader in readers:
                    reader.catch_up(CATCH_UP_SECONDS)
                before = self._state("kafka").pid
                os.kill(before, signal.SIGKILL)
                for reader in readers:
                    reader.start_over()
                self._is_missing = True
                break
            self._look()
        else:
            raise LocalError("The outbox could not be locked: the broker was not killed.")
        self._await_return("kafka", before)

    def _freeze_broker(self) -> None:
        """Freeze the broker: it receives messages but does not answer, and delivers them late."""
        pid = self._state("kafka").pid
        os.kill(pid, signal.SIGSTOP)
        try:
            self.wait(FROZEN_SECONDS)
        finally:
            os.kill(pid, signal.SIGCONT)

    def make_topic(self) -> bool:
        """Make the topic that is missing, once all events of others are published; False if it is there already.

        Raises LocalError where the events of others wait.
        """
        if not self._is_missing:
            return False
        url, newest, deadline = self._system.addresses.database_url, None, time.monotonic() + BACK_SECONDS
        while True:
            with suppress(psycopg.Error):
                newest = newest_event(url) if newest is None else newest
                if not events_wait(url, to=newest, but_for=MISSING_TOPIC):
                    break
            if time.monotonic() > deadline:
                raise LocalError(f"Events wait that have nothing to do with the topic {MISSING_TOPIC}.")
            self._look()
        bootstrap = self._system.addresses.kafka_bootstrap
        create_topics(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}), MISSING_TOPIC)
        self.by_operator(lambda: publish_set_aside(self._system.env, MISSING_TOPIC))
        self._is_missing = False
        return True

    def _write_tokens(self, chance: float) -> None:
        """Write Thunderhead's token with a line end within it, which no call can carry; later, with one at its end."""
        token = self._system.addresses.thunderhead_token
        self.by_operator(lambda: write_token(self._system.env, f"{token[:5]}\n{token[5:]}"))
        self.wait(_outage_seconds(chance))
        self.by_operator(lambda: write_token(self._system.env, f"{token}\r\n"))

    def _change_keys(self, chance: float) -> None:
        """Stop the issuer, change its keys, give one client a token of the new one; start it, and give it to all."""
        system, tokens = self._system, self._system.tokens
        before, of_new_key = self._state(ISSUER).pid, min(tokens)
        self._supervisor.halt(ISSUER)
        while not self._supervisor.states()[ISSUER].ended:  # supervisor bounds that
            self._look()
        system.take_new_keys()
        tokens[of_new_key] = client_token(system.settings, of_new_key)
        self.wait(_outage_seconds(chance))
        tokens.update(client_tokens(system.settings))
        self._supervisor.launch(ISSUER)
        self._await_return(ISSUER, before)

    def by_operator(self, act: Callable[[], None]) -> None:
        """What an operator does, who tries again while Airflow is still starting. Raises LocalError."""
        for _ in range(TRIES):
            with suppress(httpx.HTTPError, KeyError):
                return act()
            self.wait(1)
        raise LocalError("What the operator asks for is not done: see the logs of api-server and reference-data.")

    def _cut_off(self, mode: str, chance: float) -> None:
        seconds = _outage_seconds(chance)
        self._simulator.be_out(mode, seconds)
        self.wait(seconds)

    def _kill_task(self, *, supervising: bool) -> bool:
        """A task that calls Thunderhead: its own process, or the process of LocalExecutor that supervises it."""

        def kill(task: psutil.Process) -> bool:
            if victim := task.parent() if supervising else task:
                victim.kill()
            return victim is not None

        return self._to_a_task(kill)

    def _suspend_task(self) -> bool:
        """A task that calls Thunderhead sleeps until another worker has taken over, and goes on."""
        suspended: list[psutil.Process] = []

        def suspend(task: psutil.Process) -> bool:
            task.suspend()
            suspended.append(task)
            return True

        try:
            if self._to_a_task(suspend):
                self.wait(self._system.settings.lease_seconds + SUSPENDED_SECONDS)
        finally:
            for task in suspended:
                with suppress(psutil.NoSuchProcess):
                    task.resume()
        return bool(suspended)

    def _to_a_task(self, act: Callable[[psutil.Process], bool]) -> bool:
        """Act on a task that calls Thunderhead; False if there is none in time.

        Of several it is the one with the most calls in flight, to hit the middle of submitting.
        """
        deadline = time.monotonic() + VICTIM_SECONDS
        while time.monotonic() < deadline:
            calls = {task: n for task in self._tasks() if (n := self._calls_to_thunderhead(task))}
            if calls:
                with suppress(psutil.NoSuchProcess):  # it has just ended
                    if act(max(calls, key=lambda it: calls[it])):
                        return True
            self._look()
        return False

    def _tasks(self) -> list[psutil.Process]:
        """The processes that run tasks: children of the scheduler's children."""
        with suppress(psutil.NoSuchProcess):
            workers = psutil.Process(self._state("scheduler").pid).children()
            return [task for worker in workers for task in _children(worker)]
        return []

    def _calls_to_thunderhead(self, task: psutil.Process) -> int:
        with suppress(psutil.Error):
            port = self._system.settings.thunderhead_port
            return sum(bool(it.raddr) and it.raddr.port == port for it in task.net_connections("tcp"))
        return 0

    @staticmethod
    def _kill_one(processes: list[psutil.Process], chance: float) -> bool:
        with suppress(psutil.NoSuchProcess):
            if processes:
                processes[int(chance * len(processes))].kill()
                return True
        return False

    def _clear(self, chance: float) -> bool:
        """Clear a task instance whose slice holds red ends, as an operator does."""
        for _ in range(TRIES):
            with suppress(httpx.HTTPError, KeyError, psycopg.Error):  # parts may still be starting
                if not (red := red_slices(self._system.addresses.database_url)):
                    return False
                clear(self._system.env, red[int(chance * len(red))])
                return True
            self.wait(1)
        return False

    def _state(self, name: str) -> PartState:
        """A part that runs. Raises LocalError if it does not run in time."""
        deadline = time.monotonic() + BACK_SECONDS
        while (state := self._supervisor.states()[name]).state != "RUNNING" or not state.pid:
            if time.monotonic() > deadline:
                raise LocalError(f"{name} does not run: it is {state.state}")
            self._look()
        return state


def _outage_seconds(chance: float) -> float:
    shortest, longest = OUTAGE_SECONDS
    return shortest + chance * (longest - shortest)


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children()
    return []
