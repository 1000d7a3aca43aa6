"""All batches, in an SQLite file: it survives a restart and needs no memory."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from include.oms.base.queries import load

MOST_OF_ONE_NAME = 1000
DOCUMENT_IDS_FROM = 5_000_000_000  # beyond 32 bits, as the contract allows: a client that truncates ids fails at once

_sql = load(__package__ or "")


class Failure(NamedTuple):
    """Why a batch failed, as the contract tells it."""

    category: str
    description: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch. Its status is computed from the clock, so that no timer is needed."""

    batch_id: int
    batch_name: str
    created_at: float  # seconds since 1970, as ends_at
    ends_at: float
    end_status: str
    category: str | None
    description: str | None
    rendering: str | None  # WAITING, DONE, ON_DEMAND; None: there is nothing to render

    @property
    def status(self) -> str:
        """PROCESSING until its end time has passed and its document is rendered; then its end."""
        if self.end_status == "NEVER" or self.rendering == "WAITING" or time.time() < self.ends_at:
            return "PROCESSING"
        return self.end_status

    def told(self) -> dict[str, Any]:
        """The contract's Batch."""
        status = self.status
        return {
            "batchId": self.batch_id,
            "batchName": self.batch_name,
            "status": status,
            "dmsDocumentId": DOCUMENT_IDS_FROM + self.batch_id if status == "COMPLETED" else None,
            "createdAt": datetime.fromtimestamp(self.created_at, UTC).isoformat(),
        }


class Ledger:
    """The file. A call is one statement of some 20 microseconds, so it is made on the event loop itself."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, isolation_level=None)  # each statement commits
        self._db.executescript(_sql["create"])

    def close(self) -> None:
        """Close the file. Do not use the ledger afterwards."""
        self._db.close()

    def add(
        self,
        batch_name: str,
        batch_config_id: str,
        payload: str,
        *,
        generation_seconds: float,
        end_status: str,
        category: str | None,
        description: str | None,
        rendering: str | None,
    ) -> Batch:
        """Make a batch. Two of one name are two batches."""
        now = time.time()
        ends_at = now + generation_seconds
        row = (batch_name, batch_config_id, now, ends_at, end_status, category, description, rendering, payload)
        batch_id = self._db.execute(_sql["insert_batch"], row).lastrowid or 0
        return Batch(batch_id, batch_name, now, ends_at, end_status, category, description, rendering)

    def by_ids(self, batch_ids: Sequence[int]) -> list[Batch]:
        """The batches with these ids, by id; unknown ids are left out."""
        return self._batches("select_batches_by_ids", json.dumps(batch_ids))

    def by_name(self, batch_name: str) -> list[Batch]:
        """Those of exactly this name, newest first."""
        return self._batches("select_batches_by_name", batch_name, MOST_OF_ONE_NAME)

    def after(self, batch_id: int, limit: int) -> list[Batch]:
        """A page of everything, by id."""
        return self._batches("select_batches_after", batch_id, limit)

    def waiting(self, limit: int) -> list[int]:
        """The batches to be rendered next."""
        return [batch_id for (batch_id,) in self._db.execute(_sql["select_waiting"], (limit,))]

    def rendered(self, batch_id: int) -> None:
        """Note that its PDF is rendered."""
        self._db.execute(_sql["mark_rendered"], (batch_id,))

    def failed(self, batch_id: int, failure: Failure) -> None:
        """Note that it could not be rendered, and why."""
        self._db.execute(_sql["mark_failed"], (*failure, batch_id))

    def count_try(self, request: str, fate: str) -> int:
        """Count a use of a fate for a request; return the number, this one included."""
        return int(self._db.execute(_sql["count_try"], (request, fate)).fetchone()[0])

    def _batches(self, name: str, *values: object) -> list[Batch]:
        return [Batch(*row) for row in self._db.execute(_sql[name], values)]
