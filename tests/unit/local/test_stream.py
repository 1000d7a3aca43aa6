"""The stream shows what matters out of every part's own format."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.local.stream import LogStream, read_line

AIRFLOW = "2026-11-23T12:36:56.296613Z [{}] {} loc=x.py:1"


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ('{"event": "call", "level": "info", "status": 202}', "info", "call status=202"),
        ('{"event": "gone", "level": "error", "timestamp": "t"}', "error", "gone"),
        (AIRFLOW.format("info     ", "claimed slice CIBT 3     [oms]"), "job", "claimed slice CIBT 3"),
        (AIRFLOW.format("warning  ", "late              [airflow.jobs]"), "warning", "late"),
        ("2026-11-23 12:36:55.845363+00:00 [error    ] no      [task] a=b", "error", "no"),
        ("2026-11-23 12:57:58 UTC [983] FATAL:  the end", "critical", "2026-11-23 12:57:58 UTC [983] FATAL:  the end"),
        ("ValueError: no such thing", "error", "ValueError: no such thing"),
        ("    raise ValueError()", "", "    raise ValueError()"),
        ("{cut off", "", "{cut off"),
    ],
)
def test_lines_are_understood(text: str, level: str, said: str) -> None:
    line = read_line("part", text)
    assert line is not None
    assert (line.level, line.text) == (level, said)


def test_noise_and_empty_lines_say_nothing() -> None:
    assert read_line("part", "   ") is None
    assert read_line("part", AIRFLOW.format("warning  ", "SimpleAuthManager is active but ... [x]")) is None


def test_only_what_is_new_and_matters_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "intake.log"
    file.write_text('{"event": "old", "level": "error"}\n')
    stream = LogStream(tmp_path)
    with file.open("a") as log:
        log.write('{"event": "fine", "level": "info"}\n{"event": "bad", "level": "error"}\n{"event": "half')
    assert [line.text for line in stream.new_lines()] == ["bad"]
    with file.open("a") as log:
        log.write('", "level": "warning"}\n')
    assert [line.text for line in stream.new_lines()] == ["half"]


def test_a_rotated_log_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "intake.log"
    file.write_text("x\n" * 10)
    stream = LogStream(tmp_path, every_line=True)
    file.rename(tmp_path / "intake.log.1")
    file.write_text("new\n")
    assert [(line.part, line.text) for line in stream.new_lines()] == [("intake", "new")]


def test_what_is_said_again_and_again_is_shown_once(tmp_path: Path) -> None:
    stream = LogStream(tmp_path)
    (tmp_path / "scheduler.log").write_text(
        "%3|1795439782.840|FAIL| ERROR no broker\n%3|1795439783.1|FAIL| ERROR no broker\n"
    )
    assert len(list(stream.new_lines())) == 1
