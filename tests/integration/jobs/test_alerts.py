"""Alerts, over real sockets: what is told, where to, and that telling never fails and never hangs what it tells of."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from aiohttp import web
from airflow.sdk.exceptions import AirflowFailException

from include.jobs import hooks, notify, watchdog
from include.jobs.notify import AlertOnFailure, AlreadyTold, NeedsAPerson, make_alert, send
from include.oms.testing.made import days_ago
from include.oms.testing.outside import served
from include.oms.testing.system import Oms
from include.oms.upkeep.deadlines import needs_a_check

LINK = "http://airflow/dags/document_processing/runs/r/tasks/process_slice/mapped/3"


class Webhook:
    """Somebody's chat system."""

    def __init__(self, status: int = 200, hangs: bool = False) -> None:
        self.told: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status, self.hangs = status, hangs

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.told.append(await request.json())
        self.headers.append(dict(request.headers))
        if self.hangs:
            await asyncio.sleep(30)
        return web.Response(status=self.status)

    @asynccontextmanager
    async def served(self, monkeypatch: pytest.MonkeyPatch, **more: Any) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/hooks/oms", self.take)
        async with served(app) as url:
            connection = {"conn_type": "http", "host": f"{url}/hooks/oms"} | more
            monkeypatch.setenv("AIRFLOW_CONN_OMS_ALERTS", json.dumps(connection))
            yield


def context(error: Any) -> Any:
    """What Airflow gives a callback."""
    ti = SimpleNamespace(
        dag_id="document_processing", task_id="process_slice", map_index=3, rendered_map_index="4: 10 requests",
        log_url=LINK,
    )  # fmt: skip
    return {"ti": ti, "exception": error}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Little patience, and nothing told on this machine before."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(notify, "ALERT_TIMEOUT_SECONDS", 1)


async def call_back(error: Any) -> None:
    """As the task's process does, which has no event loop of its own."""
    await asyncio.to_thread(AlertOnFailure(), context(error))


async def test_a_webhook_is_told_which_requests_why_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Webhook()
    async with hook.served(monkeypatch, password="sesame"):
        await call_back(NeedsAPerson("2 requests need a person", ["request 7: FAILED at GENERATION, OVERDUE"]))
    (told,) = hook.told
    assert told["title"] == "document_processing: process_slice 4: 10 requests is red"
    assert told["why"] == "2 requests need a person"
    assert told["details"] == ["request 7: FAILED at GENERATION, OVERDUE"]
    assert told["link"] == LINK
    assert all(part in told["text"] for part in (told["title"], told["why"], "request 7", LINK))
    assert hook.headers[0]["Authorization"] == "Bearer sesame"


async def test_nothing_configured_nothing_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await call_back(NeedsAPerson("x"))
    assert "there is no Connection oms_alerts" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_foreign_error_is_told_by_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Webhook()
    async with hook.served(monkeypatch):
        await call_back(psycopg.errors.UniqueViolation("Key (value)=(a customer's secret) already exists"))
        await call_back(None)
    assert [told["why"] for told in hook.told] == ["UniqueViolation: the log tells more", "its process died"]
    assert "secret" not in json.dumps(hook.told)


async def test_what_has_been_told_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Webhook()
    async with hook.served(monkeypatch):
        await call_back(AlreadyTold("late"))
    assert hook.told == []


async def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Webhook()
    async with hook.served(monkeypatch):
        await call_back(NeedsAPerson("w" * 9999, [f"request {n}: \x00" + "d" * 9999 for n in range(500)]))
    (told,) = hook.told
    assert told["details"][-1] == "and 475 more"
    assert len(told["text"]) < 10_000
    assert "\x00" not in told["text"]


@pytest.mark.parametrize("hook", [Webhook(status=500), Webhook(hangs=True), Webhook(status=302)])
async def test_a_webhook_in_trouble_is_a_line_in_the_log(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with hook.served(monkeypatch):
        async with asyncio.timeout(20):  # it hangs for 30
            await call_back(NeedsAPerson("x"))
    assert "nobody could be told" in caplog.text


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OMS_ALERTS", '{"conn_type": "http", "host": "http://127.0.0.1:1"}')
    await call_back(NeedsAPerson("x"))
    assert "nobody could be told" in caplog.text


@asynccontextmanager
async def mail_server(mails: list[str]) -> AsyncIterator[int]:
    """As much SMTP (RFC 5321) as it takes to be handed a mail; its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")
            if word == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_by_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    mails: list[str] = []
    async with mail_server(mails) as port:
        extra = {"to": "ops@example.org", "from_email": "oms@example.org", "disable_ssl": True, "disable_tls": True}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_OMS_ALERTS", json.dumps(connection))
        await asyncio.to_thread(send, make_alert("late: QUEUED", "why", ["5 <QUEUED>"], "docs/runbooks/late.md"))
    (mail,) = mails
    message = message_from_string(mail)
    assert (message["Subject"], message["To"]) == ("OMS: late: QUEUED", "ops@example.org")
    (part,) = message.get_payload()
    text = part.get_payload(decode=True).decode()
    assert "5 &lt;QUEUED&gt;" in text
    assert "docs/runbooks/late.md" in text


async def watch(oms: Oms) -> str:
    """One run of oms_watchdog; what it is red for."""
    try:
        await asyncio.to_thread(watchdog.check)
    except AirflowFailException as error:
        return str(error)
    return ""


async def test_the_watchdog_is_red_from_the_alert_until_all_is_well_and_tells_twice(
    oms: Oms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "oms_database_url", lambda: oms.url)
    hook = Webhook()
    async with hook.served(monkeypatch):
        await oms.queued(2, due_at=days_ago(1))
        colours = [bool(await watch(oms)) for _ in range(5)]
        await oms.connection.execute("UPDATE document_requests SET due_at = now()")
        colours += [bool(await watch(oms)) for _ in range(4)]
    assert colours == [False, False, True, True, True, False, False, False, False]
    assert [told["title"] for told in hook.told] == ["late: QUEUED", "well again: QUEUED"]
    assert hook.told[0]["details"] == ["2 QUEUED, the oldest for 24.0 h: 1; docs/runbooks/late.md#queued"]


async def test_what_the_watchdog_could_not_tell_it_tells_later(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "oms_database_url", lambda: oms.url)
    hook = Webhook(status=500)
    async with hook.served(monkeypatch):
        await oms.queued(due_at=days_ago(1))
        for _ in range(3):
            await watch(oms)
        hook.status = 200
        for _ in range(3):
            await watch(oms)
    assert [told["title"] for told in hook.told] == ["late: QUEUED"] * 2


async def test_without_the_connection_the_colour_tells(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "oms_database_url", lambda: oms.url)
    await oms.queued(due_at=days_ago(1))
    said = [await watch(oms) for _ in range(4)]
    assert said[:2] == ["", ""]
    assert all("1 QUEUED, the oldest for 24.0 h: 1" in it for it in said[2:])


def red_slices(n: int, *, category: str = "VALIDATION_ERROR") -> None:
    """So many task instances turn red, each in a process of its own, for requests of their own."""
    for request_id in range(n):
        error = NeedsAPerson(
            f"{1 + request_id % 3} requests need a person", [f"request {request_id}: FAILED, {category}"]
        )
        AlertOnFailure()(context(error))


async def test_forty_red_slices_of_one_cause_are_told_with_a_count_and_when_it_is_over(
    oms: Oms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "oms_database_url", lambda: oms.url)
    monkeypatch.setattr(watchdog, "oms_database_url", lambda: oms.url)
    hook = Webhook()
    async with hook.served(monkeypatch):
        await asyncio.to_thread(red_slices, 40)
        await asyncio.to_thread(red_slices, 1, category="WORKER_DIED")
        assert [told["title"].endswith("is red") for told in hook.told] == [True, True], "one for each cause"
        await oms.connection.execute("UPDATE failure_alarms SET began_at = began_at - interval '1 min'")
        assert await needs_a_check(oms.connection, oms.settings)
        await watch(oms)
        await watch(oms)
        assert [told["title"] for told in hook.told[2:]] == ["40 task instances are red"]
        assert "request #: FAILED, VALIDATION_ERROR" in hook.told[2]["details"][0]
        await oms.connection.execute("UPDATE failure_alarms SET last_at = last_at - interval '20 min'")
        await watch(oms)
        await watch(oms)
        assert [told["title"] for told in hook.told[3:]] == ["well again: no more task instances turn red"]
        assert not await needs_a_check(oms.connection, oms.settings)
        await asyncio.to_thread(red_slices, 2)
    assert len(hook.told) == 5, "the same cause after that is a new one"


async def test_without_the_database_a_machine_groups_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Webhook()
    async with hook.served(monkeypatch):
        await asyncio.to_thread(red_slices, 40)
        await asyncio.to_thread(red_slices, 2, category="WORKER_DIED")
    assert len(hook.told) == 2


async def test_what_could_not_be_sent_is_told_by_the_next_one_or_the_watchdog(
    oms: Oms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "oms_database_url", lambda: oms.url)
    monkeypatch.setattr(watchdog, "oms_database_url", lambda: oms.url)
    hook = Webhook(status=500)
    async with hook.served(monkeypatch):
        await asyncio.to_thread(red_slices, 1)
        hook.status = 200
        await oms.connection.execute("UPDATE failure_alarms SET began_at = began_at - interval '1 min'")
        await watch(oms)
    assert [told["title"] for told in hook.told[1:]] == ["1 task instances are red"]
