"""Logs: one JSON object a line, on standard output."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog

from include.oms.base.places import places_of


def log_json_lines() -> None:
    """Configure structlog for this process."""
    structlog.configure(
        processors=[_told],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=StandardOutput,
        cache_logger_on_first_use=True,
    )


def _told(_: object, level: str, event: structlog.typing.EventDict) -> bytes:
    """Render a line of our own. One function, because every call logs a line."""
    event["level"] = level
    event["timestamp"] = _utc(datetime.now(UTC))
    return _line(event)


class StandardOutput:
    """Write each line in one write. A line that cannot be written is dropped.

    The reader of the log may be gone, or the disk may be full. A call that was carried out must not be answered 500 for
    that. (A supervisor closes the pipe of a server that was killed while its workers still finish their calls.)
    """

    def msg(self, line: bytes) -> None:
        """One line."""
        with suppress(OSError):
            os.write(1, line + b"\n")

    debug = info = warning = error = critical = msg


def _line(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


class JsonFormatter(logging.Formatter):
    """Formats the lines of libraries that use Python's logging, such as gunicorn, as our own."""

    def format(self, record: logging.LogRecord) -> str:
        """One line. An error shows its kind and place only, because its text may repeat what a client sent."""
        line: dict[str, object] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": _utc(datetime.fromtimestamp(record.created, UTC)),
        }
        if record.exc_info and record.exc_info[1]:
            line |= error_place(record.exc_info[1])
        return _line(line).decode()


def _utc(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def error_place(error: BaseException) -> dict[str, object]:
    """The loggable part of an unexpected error: its kind and its place."""
    return {"error": type(error).__qualname__, "frames": places_of(error)}
