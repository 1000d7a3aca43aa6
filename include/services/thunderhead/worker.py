"""The rendering process: reads batch ids from its input, one a line, and answers each with a line of JSON.

``null`` says that the PDF is there; ``[category, description]`` why not. Ends when its input does, so it never
outlives the simulator.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from include.oms.base.queries import load
from include.services.thunderhead.document_xml import InvalidDocument
from include.services.thunderhead.ledger import Failure
from include.services.thunderhead.letter import write_letter
from include.services.thunderhead.letter.style import load_fonts
from include.services.thunderhead.rendering import pdf_file

NICENESS = 10  # documents can wait; submits and polls cannot

_log = logging.getLogger(__name__)


def main(data_dir: Path) -> None:
    """Render until there is no more input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the simulator, which then ends this
    os.nice(NICENESS)
    load_fonts()
    with closing(sqlite3.connect(f"{(data_dir / 'ledger.sqlite').resolve().as_uri()}?mode=ro", uri=True)) as ledger:
        for line in sys.stdin:
            answer = json.dumps(render(ledger, data_dir, int(line)))
            with suppress(BrokenPipeError):  # the simulator was killed: the input has ended too
                os.write(1, answer.encode() + b"\n")


def render(ledger: sqlite3.Connection, data_dir: Path, batch_id: int) -> Failure | None:
    """Write the PDF of a batch. None, or why it could not be."""
    statement = load(__package__ or "")["select_document"]
    batch_name, created_at, payload = ledger.execute(statement, (batch_id,)).fetchone()
    date = datetime.fromtimestamp(created_at, UTC).date().isoformat()
    try:
        write_letter(payload, batch_name, date, pdf_file(data_dir, batch_id))
    except InvalidDocument as error:
        return Failure("VALIDATION_ERROR", f"The payload is invalid: {error}.")
    except Exception as error:  # noqa: BLE001 - one document must not stop the others
        _log.exception("batch %s could not be rendered", batch_id)
        return Failure("INTERNAL_ERROR", f"The document could not be laid out: {type(error).__name__}.")
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
