"""One readable stream out of all the parts' logs.

Every part has its own format; here a line becomes time, part, level, text. Warnings, errors and the lines of the jobs
(the logger ``oms``) are shown; with ``every_line``, all lines. The full logs are in files in any case.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

MOST_BYTES = 1_000_000  # read from one file at a time
LEVELS = {"warn": "warning", "fatal": "critical", "panic": "critical", "exception": "error"}
COMPLAINTS = {"warning", "error", "critical"}

# 2026-11-23T12:36:56.296613Z [info     ] what is said   [a.logger] key=value
_AIRFLOW = re.compile(r"^\S+ ?\S* \[(?P<level>\w+) *\] (?P<text>.*?)(?: +\[(?P<logger>[\w.]+)\](?: \w+=.*)?)?$")
_ANY_LEVEL = re.compile(r"\b(DEBUG|INFO|LOG|NOTICE|STATEMENT|WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)\b")
_DIGITS = re.compile(r"[0-9a-f]*\d[0-9a-f]*")  # ids in hexadecimal, too
_UNCAUGHT = re.compile(r"^[\w.]*(Error|Exception): ")

# Lines of other programs at every start or task that need no action.
_NOISE = (
    "Starting call to 'airflow.sdk.api.client",  # a retry that has not failed yet
    "SimpleAuthManager is active",  # meant: this is one machine
    "Using `httpx` with `starlette.testclient`",
    "Skipping masking for a secret as it's too short",
    "GitWildMatchPattern",
)
AGAIN_SECONDS = 30  # a line of a part is shown again after this time at the earliest; digits do not count


class Line(NamedTuple):
    """One line of one part."""

    at: datetime
    part: str
    level: str
    text: str


@dataclass
class LogStream:
    """Follows the log files of a folder, from where they end when it is made."""

    folder: Path
    every_line: bool = False
    _followed: dict[Path, tuple[int, int]] = field(default_factory=dict)  # inode, bytes read
    _shown_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in self.folder.glob("*.log"):
            self._followed[file] = (file.stat().st_ino, file.stat().st_size)

    def new_lines(self) -> Iterator[Line]:
        """The lines to show that were written since the last call."""
        for file in sorted(self.folder.glob("*.log")):
            if file.stem == "supervisord":
                continue  # the runner itself reports what happens to the parts
            for text in self._read(file):
                line = read_line(file.stem, text)
                if line and (self.every_line or line.level == "job" or self._is_news(line)):
                    yield line

    def _is_news(self, line: Line) -> bool:
        """Whether the line is a warning or error, and no similar one was shown recently: outages repeat lines."""
        if line.level not in COMPLAINTS:
            return False
        said = line.part, _DIGITS.sub("", line.text)
        now = time.monotonic()
        if now - self._shown_at.get(said, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return False
        self._shown_at = {key: at for key, at in self._shown_at.items() if now - at < AGAIN_SECONDS} | {said: now}
        return True

    def _read(self, file: Path) -> list[str]:
        """The complete new lines. A rotated file is read from its start."""
        inode, position = self._followed.get(file, (0, 0))
        with file.open("rb") as stream:
            if inode != file.stat().st_ino:
                inode, position = file.stat().st_ino, 0
            stream.seek(position)
            data = stream.read(MOST_BYTES)
        whole = data[: data.rfind(b"\n") + 1]
        self._followed[file] = (inode, position + len(whole))
        return whole.decode(errors="replace").splitlines()


def read_line(part: str, text: str) -> Line | None:
    """Parse a log line of any part; None if it holds no message."""
    if text.startswith("{"):
        level, said = _from_json(text)
    elif match := _AIRFLOW.match(text):
        level, said = match["level"], match["text"].strip()
        if match["logger"] == "oms":  # the jobs run in forks of the scheduler
            part, level = "jobs", "job" if level == "info" else level
    elif match := _ANY_LEVEL.search(text[:120]):
        level, said = match[1].lower(), text
    else:
        level, said = "error" if _UNCAUGHT.match(text) else "", text
    if not said.strip() or any(noise in said for noise in _NOISE):
        return None
    return Line(datetime.now().astimezone(), part, LEVELS.get(level, level), said)


def _from_json(text: str) -> tuple[str, str]:
    """Parse a JSON line, of structlog or our own: the event, then all other fields."""
    try:
        record = json.loads(text)
    except ValueError:
        return "", text
    level = str(record.pop("level", "")).lower()
    record.pop("timestamp", None)
    said = str(record.pop("event", record.pop("message", "")))
    return level, " ".join([said, *(f"{key}={value}" for key, value in record.items())])
