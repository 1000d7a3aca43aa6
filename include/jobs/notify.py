"""Alerts: what is red, which requests, why, and where to look. They hold ids, never what a request holds.

The Connection ``oms_alerts`` says where to: of type ``smtp`` by e-mail (extras ``to`` and ``from_email``, besides the
SMTP provider's own), of any other type by a POST of JSON to its URL, which chat systems' webhooks take as it is
(``text``); its password without a login is a bearer token. No such Connection: nothing is sent.

Red task instances are grouped by their cause (``include/oms/upkeep/failure_alarms.py``): the first one sends an alert,
oms_watchdog sends how many followed, and that it is over. Without the OMS Database each machine groups its own.

A task whose process is killed sends no alert, because Airflow 3.3 calls no callback then. Its run is red, the next run
takes its work over, and oms_watchdog tells what is late.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.oms.base.limits import MOST_ANSWER_BYTES
from include.oms.base.settings import settings

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from airflow.sdk.definitions.context import Context
    from psycopg import AsyncConnection
    from psycopg.rows import DictRow

T = TypeVar("T")

OMS_ALERTS = "oms_alerts"
MOST_LINES = 25
ALERT_TIMEOUT_SECONDS = 10.0
LONGEST_LINE = 300

log = logging.getLogger("oms")


class NeedsAPerson(AirflowFailException):
    """The task is red because a person is needed; ``about`` has a line for each request or thing."""

    def __init__(self, message: str, about: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.about = list(about)


class AlreadyTold(AirflowFailException):
    """The task is red because a person is needed, and has sent its alert already."""


@dataclass(frozen=True)
class Alert:
    """One alert; its texts are bounded."""

    title: str
    why: str
    details: list[str]
    link: str  # the task instance, or a runbook

    def text(self) -> str:
        """The whole alert as plain text."""
        return "\n".join([self.title, self.why, *self.details, self.link])


def make_alert(title: str, why: str, details: Sequence[str], link: str) -> Alert:
    """An alert with everything cut to what fits in a chat or a mail."""
    from include.oms.outside.text import clean_text

    lines = [clean_text(line, LONGEST_LINE) for line in details[:MOST_LINES]]
    if len(details) > MOST_LINES:
        lines.append(f"and {len(details) - MOST_LINES} more")
    return Alert(clean_text(title, LONGEST_LINE), clean_text(why, 1000), lines, link)


def send(alert: Alert) -> None:
    """Send an alert, if the Connection ``oms_alerts`` exists; return or raise within ``ALERT_TIMEOUT_SECONDS``."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(OMS_ALERTS)
    except AirflowNotFoundException:
        log.info("nobody is told: there is no Connection %s", OMS_ALERTS)
        return
    sending = _mail if connection.conn_type == "smtp" else _post
    asyncio.run(asyncio.wait_for(sending(alert, connection), ALERT_TIMEOUT_SECONDS))
    log.info("told %s: %s", OMS_ALERTS, alert.title)


async def _post(alert: Alert, _: Connection) -> None:
    from include.jobs.hooks import AlertsHook

    content = {"text": alert.text(), **asdict(alert)}
    limit = ALERT_TIMEOUT_SECONDS
    async with AlertsHook().transport(settings()) as call:
        answer = await call("POST", "", json=content, timeout_seconds=limit, max_bytes=MOST_ANSWER_BYTES)
    if answer.status >= 300:
        raise AirflowException(f"{OMS_ALERTS} answered {answer.status}")


async def _mail(alert: Alert, connection: Connection) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    to = connection.extra_dejson.get("to")
    if not to:
        raise AirflowException(f"the Connection {OMS_ALERTS} has no extra `to`")
    async with SmtpHook(smtp_conn_id=OMS_ALERTS) as hook:
        await hook.asend_email_smtp(
            to=to, subject=f"OMS: {alert.title}", html_content=f"<pre>{escape(alert.text())}</pre>"
        )


class AlertOnFailure(BaseNotifier):
    """An on_failure_callback. It never raises, and ends within the alert's time-outs."""

    def notify(self, context: Context) -> None:
        """Tell of the task instance that has just turned red, unless another one of the same cause has told."""
        from include.oms.upkeep.failure_alarms import causes_of

        if isinstance(context.get("exception"), AlreadyTold):
            return
        try:
            ti, alert = context["ti"], alert_of(context)
            causes = causes_of(f"{ti.dag_id}.{ti.task_id}", alert.why, getattr(context.get("exception"), "about", []))
            tell_if_new(alert, causes)
        except Exception as error:  # noqa: BLE001 - the task is red already; that nobody was told is for the log
            log.warning("nobody could be told: %s: %s", type(error).__name__, error)


def tell_if_new(alert: Alert, causes: Sequence[str]) -> None:
    """Send the alert where one of its causes is new; the others are counted, and told by oms_watchdog."""
    try:
        is_new = _in_time(_note_failure(causes, alert.link))
    except Exception as error:  # noqa: BLE001 - the database may be why the task is red
        log.warning("red task instances are grouped on this machine alone: %s", type(error).__name__)
        if _is_new_here(causes):
            send(alert)
            _told_here(causes)
        return
    if not is_new:
        log.info("not told again: others turned red for the same cause")
        return
    send(alert)
    _in_time(_mark_told(causes))


def _in_time(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, ALERT_TIMEOUT_SECONDS))


async def _note_failure(causes: Sequence[str], link: str) -> bool:
    from include.oms.upkeep.failure_alarms import note_failure

    async with await _connect() as connection:
        return await note_failure(connection, causes, link)


async def _mark_told(causes: Sequence[str]) -> None:
    from include.oms.upkeep.failure_alarms import mark_failures_told

    async with await _connect() as connection:
        await mark_failures_told(connection, causes, [1] * len(causes))


async def _connect() -> AsyncConnection[DictRow]:
    from include.jobs.hooks import oms_database_url
    from include.oms.base import database

    return await database.connect(oms_database_url(), settings(), application_name="alerts")


def _is_new_here(causes: Sequence[str]) -> bool:
    """Whether this machine has told of none of these for a while, by files that every task of it sees."""
    from include.oms.upkeep.failure_alarms import QUIET_SECONDS

    known = [file for file in map(_file_of, causes) if _age_seconds(file) < QUIET_SECONDS]
    for file in known:
        file.touch()
    return len(known) < len(causes)


def _told_here(causes: Sequence[str]) -> None:
    for cause in causes:
        _file_of(cause).touch()


def _file_of(cause: str) -> Path:
    folder = Path(tempfile.gettempdir()) / f"oms-alerts-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / hashlib.sha256(cause.encode("utf-8", "replace")).hexdigest()


def _age_seconds(file: Path) -> float:
    return time.time() - file.stat().st_mtime if file.exists() else float("inf")


def alert_of(context: Context) -> Alert:
    """The alert of a task instance that failed."""
    ti, error = context["ti"], context.get("exception")
    which = getattr(ti, "rendered_map_index", None) or _index(ti.map_index)
    title = " ".join(f"{ti.dag_id}: {ti.task_id} {which}".split()) + " is red"
    return make_alert(title, _why(error), getattr(error, "about", []), ti.log_url)


def _index(map_index: int | None) -> str:
    return "" if map_index is None or map_index < 0 else str(map_index)


def _why(error: Any) -> str:
    """The text of our own errors. Of a foreign error only its name: its text may quote what a request holds."""
    if error is None:
        return "its process died"
    return str(error) if isinstance(error, AirflowException) else f"{type(error).__name__}: the log tells more"


DEFAULT_ARGS: dict[str, Any] = {"owner": "oms", "on_failure_callback": [AlertOnFailure()]}
"""The default arguments of every DAG of OMS."""
