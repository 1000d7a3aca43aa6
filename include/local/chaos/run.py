"""The chaos run from its start to its end."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from datetime import timedelta

from include.local.chaos.comparison import Verdict, compare, repeated
from include.local.chaos.injector import MISSING_TOPIC, Injector
from include.local.chaos.operator import give_topic, write_token
from include.local.chaos.orders import Parcel, parcels
from include.local.chaos.plan import Injection, plan
from include.local.chaos.reader import Message, Reader
from include.local.chaos.rows import Progress, Rows, progress, read_rows
from include.local.chaos.runs import Runs
from include.local.chaos.sender import Sender
from include.local.chaos.settings import ChaosSettings, chaos_settings
from include.local.chaos.simulator import Simulator
from include.local.chaos.system import ChaosSystem
from include.local.console import console, say
from include.local.environment import client_token
from include.local.lock import Lock
from include.local.part import LocalError
from include.local.settings import LocalSettings
from include.local.supervisor import Supervisor
from include.oms.testing.forwarder import Forwarder, forwarding

LOOK_SECONDS = 0.1
TELL_SECONDS = 10.0
SETTLE_SECONDS, SETTLE_SECONDS_A_REQUEST = 180.0, 0.1  # from the last fault to the last end
QUIET_SECONDS = 8.0  # longer than a submit and its settling time, so that late effects show
CATCH_UP_SECONDS = 60.0
MOST_SENTENCES = 40
WITH_MISSING_TOPIC = "POSHOOFF"  # a document of the sample, a quarter of it


def run_chaos(requests: int, seed: int, minutes: float, settings: LocalSettings) -> None:
    """Start a system of the run's own, empty; break it while it works; compare, report; stop. Raises LocalError."""
    own = chaos_settings(settings, seed)
    with Lock(settings.var_dir):  # `make up` uses the same ports
        Supervisor(own.var_dir, own.log_dir).end()
        shutil.rmtree(own.var_dir, ignore_errors=True)
        with (
            forwarding(f"postgresql://127.0.0.1:{own.postgres_port}/oms") as relay,
            _system(own, relay) as system,
        ):
            verdict = Run(system, requests, seed, minutes).drive()
    say("✓ everything is stopped")
    if found := verdict.sentences():
        more = [f"... and {len(found) - MOST_SENTENCES} more"] if len(found) > MOST_SENTENCES else []
        raise LocalError("\n".join([f"The ledgers differ (seed {seed}):", *found[:MOST_SENTENCES], *more]))


def _system(settings: ChaosSettings, relay: Forwarder) -> ChaosSystem:
    system = ChaosSystem(settings, relay, say)
    if system.addresses.given:
        given = ", ".join(f"AIRFLOW_CONN_{name.upper()}" for name in sorted(system.addresses.given))
        raise LocalError(f"A chaos run kills the parts of the system, so it uses only its own: unset {given}.")
    return system


class Run:
    """One run on a started system."""

    def __init__(self, system: ChaosSystem, requests: int, seed: int, minutes: float) -> None:
        self._system, self._requests = system, requests
        self._parcels: list[Parcel] = parcels(requests, seed)
        self._plan: list[Injection] = plan(requests, seed)
        self._url = system.addresses.database_url
        self._simulator = Simulator(system.addresses)
        self._reader = Reader(system.addresses.kafka, system.settings.kafka_topic)
        self._reader_of_missing = Reader(system.addresses.kafka, MISSING_TOPIC)
        url, tokens = system.env["OMS_INTAKE_URL"], system.tokens
        self._orders = [order for parcel in self._parcels for order in parcel.orders]
        self._runs = Runs(url, tokens, self._orders, seed)
        self._sender = Sender(url, tokens, self._parcels, run_ids=self._runs.ids)
        self._injector = Injector(system, self._reader, self._reader_of_missing, self._simulator, self._look)
        self._injected, self._left_out = Counter[str](), Counter[str]()
        self._began = self._told_at = time.monotonic()
        self._chaos_ends = self._began + minutes * 60
        self._last = Progress(0, 0, 0, 0)

    def drive(self) -> Verdict:
        """Hand in and break, heal, compare, report."""
        self._simulator.misbehave()
        self._prepare()
        self._runs.open()
        with self._reader, self._reader_of_missing, self._sender:
            self._break_it()
            self._heal_it()
            with Reader(self._system.addresses.kafka, self._system.settings.kafka_run_topic) as of_runs:
                of_runs.catch_up(CATCH_UP_SECONDS)
            rows = read_rows(self._url)
            verdict = compare(
                [*self._orders, *self._runs.late], self._sender.accepted, rows, self._simulator.batches(),
                self._messages, of_runs.messages,
            )  # fmt: skip
            verdict.runs.extend(self._runs.faults)
            self._report(verdict, rows)
        return verdict

    def _prepare(self) -> None:
        """Make the Connection to Thunderhead. Give one document a topic that is not there. Raises LocalError."""
        system, env, operator = self._system, self._system.env, self._injector.by_operator
        operator(lambda: write_token(env, system.addresses.thunderhead_token))
        token = client_token(system.settings, "OMS", scopes=["reference-data:write"])
        operator(lambda: give_topic(env, token, WITH_MISSING_TOPIC, MISSING_TOPIC))

    def _break_it(self) -> None:
        for injection, following in zip(self._plan, [*self._plan[1:], None], strict=True):
            self._wait_for_the_sender()
            if time.monotonic() > self._chaos_ends:
                self._left_out[injection.kind] += 1
                continue
            self._sender.release(following.at if following else 1)
            self._injector.wait(injection.delay_seconds)
            say(f"{self._seconds:5.0f} s  {injection.kind}")
            done = self._injector.inject(injection)
            (self._injected if done else self._left_out)[injection.kind] += 1
        self._sender.release(1)

    def _wait_for_the_sender(self) -> None:
        """Wait until all released parcels are handed in, or the time is up."""
        while not self._sender.is_through and time.monotonic() < self._chaos_ends:
            self._look()

    def _heal_it(self) -> None:
        """Stop the faults. Wait until all requests have ended and are published, and for late effects."""
        say(f"{self._seconds:5.0f} s  no more faults")
        self._simulator.behave()
        self._injector.make_topic()
        patience = SETTLE_SECONDS + self._requests * SETTLE_SECONDS_A_REQUEST
        deadline = time.monotonic() + patience
        while not self._sender.is_through and time.monotonic() < deadline:
            self._look()
        self._sender.accepted |= self._runs.close()
        while not self._is_settled() and time.monotonic() < deadline:
            self._look()
        self._injector.wait(QUIET_SECONDS)
        while not self._is_settled() and time.monotonic() < deadline:
            self._look()
        if not self._is_settled():
            say(f"! not all has ended {patience:.0f} s after the last fault: the comparison names the rest")
        for reader in (self._reader, self._reader_of_missing):
            reader.catch_up(CATCH_UP_SECONDS)

    @property
    def _messages(self) -> list[Message]:
        """Of both topics. All ends of a request are in one of them."""
        return [*self._reader.messages, *self._reader_of_missing.messages]

    def _is_settled(self) -> bool:
        now = progress(self._url)
        if now is None or not self._sender.is_through:
            return False
        return now.stored == now.ended and now.events_waiting == now.runs_open == 0

    def _look(self) -> None:
        """Check the system once: report parts that died, and now and then the progress."""
        time.sleep(LOOK_SECONDS)
        self._system.watch()
        if time.monotonic() >= self._told_at + TELL_SECONDS:
            self._told_at = time.monotonic()
            self._last = progress(self._url) or self._last
            console.print(
                f"{self._seconds:5.0f} s  {len(self._sender.accepted)} of {self._requests} accepted, "
                f"{self._last.ended} ended, {len(self._messages)} events read"
            )

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _report(self, verdict: Verdict, rows: Rows) -> None:
        for title, counts in {
            "Injected": self._injected,
            "Left out": self._left_out,
            "The client met": self._sender.counts,
            "The requests went through": rows.happened,
        }.items():
            if counts:
                console.print(f"{title}:", *(f"  {n:6} {what}" for what, n in sorted(counts.items())), sep="\n")
        for refused in self._sender.refused[:MOST_SENTENCES]:
            say(f"! refused by the intake: {refused}")
        for answer in self._sender.unforeseen[:MOST_SENTENCES]:
            say(f"! answered 500 by the intake: {answer}")
        batches, messages = self._simulator.batches(), self._messages
        console.print(
            f"Ledgers: {len(self._sender.accepted)} accepted, {len(rows.requests)} rows, {len(batches)} batches at "
            f"Thunderhead, {len(messages)} messages on Kafka ({repeated(messages)} repeated under the same id)"
        )
        for what, number in verdict.numbers().items():
            say(f"{'!' if number else '✓'} {number} {what}")
        say(f"  in {timedelta(seconds=round(self._seconds))}")
