"""The Reference Data API as the intake uses it: which values are in force, remembered for a while.

- Younger than ``fresh``: used without asking.
- Older, up to ``stale``: used, while one thread fetches in the background. An outage of that length has no effect.
- Older still, or never fetched: fetched at once. Without an answer, ReferenceDataOutOfReach is raised.
- A value that is not in the list may have been added a moment ago, so the list is fetched at once.

Source: contracts/reference-data.openapi.yaml, GET /v1/reference-data/type/{refDataType}.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from include.oms.base.cached_document import CachedDocument, Source
from include.oms.base.fetching import FetchError
from include.oms.intake.refusals import ReferenceDataOutOfReach

REFERENCE_TYPES = ("DOCUMENT_TYPE", "DOCUMENT_NAME", "DOCUMENT_LANGUAGE", "METADATA_KEY")
"""The types whose values a request names."""


class ReferenceData:
    """The values in force, by reference type. Shared by all threads of the process."""

    def __init__(
        self,
        source: Source,
        base_url: str,
        *,
        fresh_seconds: float,
        stale_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._base_url = base_url.rstrip("/")
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = max(stale_seconds, fresh_seconds)
        self._clock = clock
        self._lists: dict[str, CachedDocument[frozenset[str]]] = {}
        self._lock = threading.Lock()

    def knows(self, ref_data_type: str, value: str) -> bool:
        """Whether the value is in force. Raises ReferenceDataOutOfReach where that is unknown."""
        known = self._list(ref_data_type)
        age_seconds = known.age_seconds()
        if age_seconds < self._stale_seconds and value in (known.value or ()):
            if age_seconds >= self._fresh_seconds:
                known.refresh_behind()
            return True
        known.refresh()
        if known.age_seconds() >= self._fresh_seconds:
            raise ReferenceDataOutOfReach("the reference data is out of reach at the moment")
        return value in (known.value or ())

    def prefetch(self, *ref_data_types: str) -> None:
        """Fetch these in the background, so that a new process has them before an outage."""
        for ref_data_type in ref_data_types:
            self._list(ref_data_type).refresh_behind()

    def answers(self) -> bool:
        """Whether the API answers now, or did within the last second."""
        known = self._list("SOURCE_SYSTEM")
        return known.refresh() or known.age_seconds() < 1

    def values(self, ref_data_type: str) -> frozenset[str]:
        """All values in force, for the documentation; none if they are out of reach."""
        known = self._list(ref_data_type)
        if known.age_seconds() >= self._fresh_seconds:
            known.refresh()
        return known.value or frozenset()

    def _list(self, ref_data_type: str) -> CachedDocument[frozenset[str]]:
        with self._lock:
            if ref_data_type not in self._lists:
                url = f"{self._base_url}/v1/reference-data/type/{ref_data_type}"
                self._lists[ref_data_type] = CachedDocument(self._source, url, _values, clock=self._clock)
            return self._lists[ref_data_type]


def _values(rows: Any) -> frozenset[str]:
    """The values of the API's answer. Raises FetchError if the answer has another shape."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FetchError("answered something else than rows")
    values = [row.get("refDataValue") for row in rows]
    if not all(isinstance(value, str) for value in values):
        raise FetchError("answered rows without values")
    return frozenset(values)
