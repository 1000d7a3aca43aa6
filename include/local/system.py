"""The whole system on one machine: started in order, watched, stopped in the opposite order."""

from __future__ import annotations

from contextlib import suppress
from typing import Self

from include.local.addresses import find_addresses
from include.local.airflow import airflow_parts
from include.local.broker import broker_part
from include.local.environment import client_environment, part_environment, shell_text
from include.local.lock import Lock
from include.local.order import Say, bring_up, take_down
from include.local.part import LocalError, NotReady, Part
from include.local.postgres import postgres_part
from include.local.processes import check_ports
from include.local.secrets import kept_secrets, write_private
from include.local.services import service_parts
from include.local.settings import LocalSettings
from include.local.supervisor import Supervisor


class System:
    """One system in one folder. A context manager: started on entry, stopped on exit.

    ``env`` holds what a client needs, as var/local.env does.
    """

    def __init__(self, settings: LocalSettings, say: Say = print) -> None:
        self.settings, self._say = settings, say
        self.secrets = kept_secrets(settings.var_dir / "secrets.json")
        self.addresses = find_addresses(settings, self.secrets)
        self.parts = self._make_parts()
        self.env: dict[str, str] = {}
        self._supervisor = Supervisor(settings.var_dir, settings.log_dir)
        self._lock = Lock(settings.var_dir)
        self._pids: dict[str, int] = {}
        self._returning: list[Part] = []  # started again, not ready yet

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it is ready. Raises LocalError; then nothing is left running."""
        self._lock.take()
        try:
            self._start_parts()
        except BaseException:
            self.stop()
            raise

    def watch(self) -> None:
        """Take one look: parts that died are running again already; say so, and see to what that needs."""
        try:
            states = self._supervisor.states()
        except LocalError:
            self._say("! supervisord is gone: everything is started again")
            self._start_parts()
            return
        for part in self.parts:
            before, now = self._pids.get(part.name), states[part.name].pid
            if now and before != now:
                self._say(f"! {part.name} was started again")
                self._returning.append(part)
            elif before and states[part.name].state == "FATAL":
                self._say(f"! {part.name} keeps ending and was given up: see {self.settings.log_dir}/{part.name}.log")
        self._note_pids()
        self._greet_returning()

    def stop(self) -> None:
        """Stop everything, in order, within a bound. What does not stop in time is killed."""
        if not self._lock.is_held:
            return
        (self.settings.var_dir / "local.env").unlink(missing_ok=True)
        try:
            with suppress(LocalError):  # supervisord is gone: the rest is done without it
                take_down(self.parts, self._supervisor)
        finally:
            self._supervisor.end()
            (self.settings.var_dir / "local.pids").unlink(missing_ok=True)
            self._lock.release()

    def _make_parts(self) -> list[Part]:
        """All that this machine has to run, without what the environment's connections replace."""
        settings, addresses = self.settings, self.addresses
        parts = [postgres_part(settings, self.secrets)]
        if "kafka_default" not in addresses.given:
            parts.append(broker_part(settings))
        return [*parts, *service_parts(settings, addresses), *airflow_parts(settings, self.secrets)]

    def _start_parts(self) -> None:
        self._supervisor.end()  # what a killed runner left
        check_ports(self.parts)
        self._supervisor.start(self.parts, part_environment(self.settings, self.addresses))
        try:
            bring_up(
                self.parts,
                self._supervisor,
                log_dir=self.settings.log_dir,
                patience_seconds=self.settings.start_timeout_seconds,
                say=self._say,
            )
        finally:
            self._note_pids()
        self.env = client_environment(self.settings, self.addresses, self.secrets)
        write_private(self.settings.var_dir / "local.env", shell_text(self.env))

    def _greet_returning(self) -> None:
        """Do what is due once a part that was started again is ready."""
        for part in list(self._returning):
            with suppress(NotReady):
                part.probe()
                part.when_ready()
                self._returning.remove(part)
                self._say(f"✓ {part.name} is ready again")

    def _note_pids(self) -> None:
        """Keep var/local.pids current: a name and a pid a line, supervisord first."""
        with suppress(LocalError):
            pids = {state.name: state.pid for state in self._supervisor.states().values() if state.pid}
            if pids != self._pids:
                self._pids = pids
                lines = [f"{name} {pid}\n" for name, pid in {"supervisord": self._supervisor.pid, **pids}.items()]
                write_private(self.settings.var_dir / "local.pids", "".join(lines))
