"""What the console reads from other systems is bounded in time and size, whatever they answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest
from fastapi import HTTPException

from include.jobs import doors
from include.oms.base.settings import Settings
from include.oms.outside import thunderhead
from plugins.oms_console import looks, outside, reference

PDF = b"%PDF-1.7 %%EOF"


@asynccontextmanager
async def answering(*parts: bytes, pause_seconds: float = 0.0) -> AsyncIterator[str]:
    """A server that sends these parts to whoever calls, with pauses."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
        except (ConnectionError, asyncio.CancelledError):  # cancelled: the test is over
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def ok(media_type: bytes, body: bytes, *headers: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + media_type + b"\r\n"
    return head + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, oms_database_url: str) -> Callable[[str], None]:
    """Lets every Connection lead there, with a patience of half a second."""
    patience = Settings(poll_timeout_seconds=0.5)
    monkeypatch.setattr(outside, "settings", lambda: patience)
    monkeypatch.setattr(looks, "settings", lambda: patience)
    monkeypatch.setattr(thunderhead, "MOST_BYTES_OF_A_PDF", 100_000)

    async def database_url() -> str:
        return oms_database_url

    monkeypatch.setattr(doors, "oms_database_url_async", database_url)

    def lead(url: str) -> None:
        monkeypatch.setattr(outside, "base_url_and_headers", lambda _conn_id: (url, {}))
        monkeypatch.setenv("AIRFLOW_CONN_THUNDERHEAD_API", url)

    return lead


BOMB = gzip.compress(PDF + b"\0" * 50_000_000)
DRIPS = [b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 1000]
BAD: dict[str, tuple[list[bytes], float]] = {
    "gzip bomb": ([ok(b"application/pdf", BOMB, b"Content-Encoding: gzip")], 0),
    "too large": ([ok(b"application/pdf", PDF), *[b"x" * 10_000] * 100], 0),
    "body drips": ([ok(b"application/pdf", PDF), *[b"x"] * 1000], 0.05),
    "headers drip": (DRIPS, 0.05),
    "HTML": ([ok(b"text/html", PDF)], 0),
    "nearly": ([ok(b"application/pdfx", PDF)], 0),
    "cut off": ([ok(b"application/pdf", b"%PDF-1.7 1 0 obj")], 0),
    "no PDF": ([ok(b"application/pdf", b"<html>")], 0),
    "no HTTP": ([b"SSH-2.0\r\n"], 0),
    "hangs up": ([b""], 0),
    "500": ([ok(b"application/pdf", PDF).replace(b"200 OK", b"500 Oops")], 0),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_document_that_is_none_is_a_502(at: Callable[[str], None], name: str) -> None:
    parts, pause_seconds = BAD[name]
    async with answering(*parts, pause_seconds=pause_seconds) as url:
        at(url)
        with pytest.raises(HTTPException) as raised:
            await looks._document(1)
    assert raised.value.status_code == 502


async def test_a_document_is_passed_on(at: Callable[[str], None]) -> None:
    async with answering(ok(b"Application/PDF; version=1.7", PDF)) as url:
        at(url)
        assert (await looks._document(1)).body == PDF


async def test_a_document_is_not_asked_for_while_thunderhead_is_paused(
    at: Callable[[str], None], db: psycopg.Connection
) -> None:
    db.execute("UPDATE outside_systems SET paused_at = now(), paused_by = 'pat' WHERE system = 'THUNDERHEAD'")
    async with answering(ok(b"application/pdf", PDF)) as url:
        at(url)
        with pytest.raises(HTTPException) as raised:
            await looks._document(1)
    assert raised.value.status_code == 503
    assert "pat" in str(raised.value.detail)


@pytest.mark.parametrize("media_type", [b"text/html", b"application/jsonx", b"text/json", b"application/xml+json", b""])
async def test_reference_data_comes_in_json_and_nothing_else(at: Callable[[str], None], media_type: bytes) -> None:
    async with answering(ok(media_type, b"[]")) as url:
        at(url)
        with pytest.raises(HTTPException) as raised:
            await reference._passed_on("GET", "document-configurations")
    assert raised.value.status_code == 502


@pytest.mark.usefixtures("at")
async def test_a_connection_that_is_missing_or_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (None, '{"conn_type": "http", "host": "http://127.0.0.1", "login": "a:b", "password": "x"}'):
        for name in ("AIRFLOW_CONN_REFERENCE_DATA_API", "AIRFLOW_CONN_THUNDERHEAD_API"):
            monkeypatch.delenv(name, raising=False)
            if wrong:
                monkeypatch.setenv(name, wrong)
        with pytest.raises(HTTPException) as error:
            await outside.ask("reference_data_api", "GET", "/v1/x", system="the Reference Data API")
        assert (error.value.status_code, "reference_data_api" in error.value.detail) == (502, True)
        with pytest.raises(HTTPException) as error:
            await looks._document(1)
        assert error.value.status_code in (502, 503)
        assert "thunderhead_api" in error.value.detail
