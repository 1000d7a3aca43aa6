"""The whole system on one machine: started in order, kept running, stopped in the opposite order."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Self

from include.local.addresses import Addresses, find_addresses
from include.local.airflow import airflow_parts
from include.local.broker import broker_part
from include.local.environment import bypass_proxies, client_environment, part_environment, shell_text
from include.local.lock import Lock
from include.local.order import Say, bring_up, take_down
from include.local.part import LocalError, Part
from include.local.postgres import airflow_database_url, postgres_part
from include.local.processes import check_ports
from include.local.restarts import Restarts
from include.local.secrets import kept_secrets, write_private
from include.local.services import service_parts
from include.local.settings import LocalSettings
from include.local.supervisor import Supervisor

RELOADED = ("oms-migrations", "dag-processor", "triggerer", "scheduler")  # what new code of a job takes


class System:
    """One system in one folder. A context manager: started on entry, stopped on exit.

    ``env`` holds what a client needs, as var/local.env does.
    """

    def __init__(self, settings: LocalSettings, say: Say = print) -> None:
        self.settings, self._say = settings, say
        self.secrets = kept_secrets(settings.var_dir / "secrets.json")
        self.addresses = self._find_addresses()
        self.parts = self._make_parts()
        self.env: dict[str, str] = {}
        self._supervisor = Supervisor(settings.var_dir, settings.log_dir)
        self._lock = Lock(settings.var_dir)
        self._restarts: Restarts | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it is ready. Raises LocalError; then nothing is left running."""
        bypass_proxies()
        self._lock.take()
        try:
            self._start_parts()
        except BaseException:
            self.stop()
            raise

    def watch(self) -> None:
        """Check once: report parts that died and were started again, and do what their restart needs."""
        assert self._restarts, "started"
        try:
            states = self._supervisor.states()
        except LocalError:
            self._say("! supervisord is gone: everything is started again")
            self._start_parts()
        else:
            self._restarts.check(states)

    def reload(self) -> None:
        """Have a running system take new code and migrations, from another process. Raises LocalError."""
        parts = [part for part in self.parts if part.name in RELOADED]
        self._supervisor.states()  # is it up?
        take_down(parts, self._supervisor)
        bring_up(
            parts, self._supervisor, log_dir=self.settings.log_dir,
            patience_seconds=self.settings.start_timeout_seconds, say=self._say,
        )  # fmt: skip

    def stop(self) -> None:
        """Stop everything, in order, within a bound. What does not stop in time is killed."""
        if not self._lock.is_held:
            return
        self._env_file.unlink(missing_ok=True)
        try:
            with suppress(LocalError):  # supervisord is gone: the rest is done without it
                take_down(self.parts, self._supervisor)
        finally:
            self._clear()
            self._lock.release()

    def _find_addresses(self) -> Addresses:
        return find_addresses(self.settings, self.secrets)

    def _make_parts(self) -> list[Part]:
        """All that this machine has to run, without what the environment's connections replace."""
        settings, addresses = self.settings, self.addresses
        parts = [postgres_part(settings, self.secrets)]
        if "kafka_default" not in addresses.given:
            parts.append(broker_part(settings))
        return [*parts, *service_parts(settings, addresses), *airflow_parts(settings, addresses, self.secrets)]

    def _shared_environment(self) -> dict[str, str]:
        """What all parts get."""
        airflow_db = {"AIRFLOW_CONN_AIRFLOW_DB": airflow_database_url(self.settings, self.secrets)}  # oms_housekeeping
        shared = airflow_db | part_environment(self.settings, self.addresses)
        del shared["OMS_DATABASE_URL"]  # each part has its own role's
        return shared

    def _start_parts(self) -> None:
        self._clear()
        check_ports(self.parts)
        self._supervisor.start(self.parts, self._shared_environment())
        bring_up(
            self.parts,
            self._supervisor,
            log_dir=self.settings.log_dir,
            patience_seconds=self.settings.start_timeout_seconds,
            say=self._say,
        )
        self._restarts = Restarts(self.parts, self._supervisor.pid, self._pid_file, self._say)
        self._restarts.begin(self._supervisor.states())
        self.env = client_environment(self.settings, self.addresses, self.secrets)
        write_private(self._env_file, shell_text(self.env))

    def _clear(self) -> None:
        """End what is left, of this start or of a runner that was killed; then remove the files with its addresses."""
        self._env_file.unlink(missing_ok=True)
        self._supervisor.end()
        self._pid_file.unlink(missing_ok=True)

    @property
    def _env_file(self) -> Path:
        return self.settings.var_dir / "local.env"

    @property
    def _pid_file(self) -> Path:
        return self.settings.var_dir / "local.pids"
