"""The Reference Data API as the intake uses it: values and content schemas in force, remembered for a while.

- Younger than ``fresh``: used without asking.
- Older, up to ``stale``: used, while one thread fetches in the background. An outage of that length has no effect.
- Older still, or never fetched: fetched at once. Without an answer, ReferenceDataOutOfReach is raised.
- A value that is not in the list may have been added a moment ago, so the list is fetched at once.

A document name's content schema follows the same rules; it is compiled when it is fetched, and again when it changes.

Source: contracts/reference-data.openapi.yaml, GET /v1/reference-data/type/{refDataType}, /v1/document-schemas/search.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote_plus

import msgspec

from include.oms.base.cached_document import CachedDocument, Source
from include.oms.base.clock import awake_or_asleep
from include.oms.base.fetching import Fetched, FetchError, NothingThere
from include.oms.intake.refusals import ReferenceDataOutOfReach
from include.oms.words.content_schema import ContentSchema, Mode, SchemaRefused

T = TypeVar("T")

REFERENCE_TYPES = ("DOCUMENT_TYPE", "DOCUMENT_NAME", "DOCUMENT_LANGUAGE", "METADATA_KEY")
"""The types whose values a request names."""


PREFETCH_PATIENCE_SECONDS = 10.0


class ContentRules(NamedTuple):
    """The schema in force for a document name, and what becomes of a request that breaks it."""

    mode: Mode
    schema: ContentSchema


class Limits(msgspec.Struct, frozen=True, rename="camel"):
    """The quotas of a source system."""

    most_open_requests: int
    most_requests_an_hour: int
    most_bytes_an_hour: int


class ReferenceData:
    """The values in force, by reference type, and the content schemas. Shared by all threads of the process."""

    def __init__(
        self,
        source: Source,
        base_url: str,
        *,
        fresh_seconds: float,
        stale_seconds: float,
        broken: Callable[[str, Mode], None] = lambda document_name, mode: None,
        clock: Callable[[], float] = awake_or_asleep,
    ) -> None:
        """``broken`` counts a content that breaks the schema of its document name."""
        self.broken = broken
        self._source = source
        self._row_source = _NoRowsWithoutTheirKind(source)
        self._base_url = base_url.rstrip("/")
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = max(stale_seconds, fresh_seconds)
        self._clock = clock
        self._lists: dict[str, CachedDocument[frozenset[str]]] = {}
        self._limits: dict[str, CachedDocument[Limits | None]] = {}
        self._schemas: dict[str, CachedDocument[ContentRules | None]] = {}
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

    def content_rules(self, document_name: str) -> ContentRules | None:
        """The schema in force for a document name in force. Raises ReferenceDataOutOfReach where that is unknown."""
        known = self._schema(document_name)
        age_seconds = known.age_seconds()
        if age_seconds >= self._stale_seconds:
            known.refresh()
            if known.age_seconds() >= self._fresh_seconds:
                raise ReferenceDataOutOfReach("the schemas of contents are out of reach at the moment")
        elif age_seconds >= self._fresh_seconds:
            known.refresh_behind()
        return known.value

    def limits(self, source_system: str) -> Limits | None:
        """The quotas in force for a source system in force; None: it has the defaults, or nobody knows."""
        known = self._limits_of(source_system)
        if known.age_seconds() == float("inf"):
            known.refresh()
        elif known.age_seconds() >= self._fresh_seconds:
            known.refresh_behind()
        return known.value

    def prefetch(self, *ref_data_types: str) -> None:
        """Fetch these and all schemas in the background, so that a new process has them before an outage."""
        for ref_data_type in ref_data_types:
            self._list(ref_data_type).refresh_behind()
        threading.Thread(target=self._prefetch_schemas, daemon=True).start()

    def _prefetch_schemas(self) -> None:
        names = self._list("DOCUMENT_NAME")
        names.refresh(patience_seconds=PREFETCH_PATIENCE_SECONDS)
        for document_name in sorted(names.value or ()):
            self._schema(document_name).refresh()

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
        return self._kept(self._lists, ref_data_type, self._source, "/v1/reference-data/type/", _values)

    def _limits_of(self, source_system: str) -> CachedDocument[Limits | None]:
        path = "/v1/source-system-quotas/search?sourceSystem="
        return self._kept(self._limits, source_system, self._row_source, path, _limits)

    def _schema(self, document_name: str) -> CachedDocument[ContentRules | None]:
        path = "/v1/document-schemas/search?documentName="
        return self._kept(self._schemas, document_name, self._row_source, path, _rules)

    def _kept(
        self,
        kept: dict[str, CachedDocument[T]],
        key: str,
        source: Source,
        path: str,
        parse: Callable[[Any], T],
    ) -> CachedDocument[T]:
        """The document of a key, which ends the path; the same one each time."""
        with self._lock:
            if key not in kept:
                kept[key] = CachedDocument(source, f"{self._base_url}{path}{quote_plus(key)}", parse, clock=self._clock)
            return kept[key]


class _NoRowsWithoutTheirKind:
    """The API of the last release has no schemas and no quotas: 404 is no outage during an upgrade."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        try:
            return self._source.fetch(url, etag)
        except NothingThere:
            return Fetched([], None)


def _limits(rows: Any) -> Limits | None:
    """The quotas of the API's answer. Raises FetchError if the answer has another shape."""
    try:
        return msgspec.convert(rows, list[Limits])[0] if rows != [] else None
    except msgspec.ValidationError as error:
        raise FetchError("answered something else than quotas") from error


def _rules(rows: Any) -> ContentRules | None:
    """The schema of the API's answer, compiled. Raises FetchError if the answer has another shape."""
    if rows == []:
        return None
    try:
        return ContentRules(Mode(rows[0]["mode"]), ContentSchema(rows[0]["schema"]))
    except SchemaRefused as error:
        raise FetchError(f"answered a schema that cannot be used at {error.pointer()}") from error
    except (LookupError, TypeError, ValueError) as error:
        raise FetchError("answered something else than a schema") from error


def _values(rows: Any) -> frozenset[str]:
    """The values of the API's answer. Raises FetchError if the answer has another shape."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FetchError("answered something else than rows")
    values = [row.get("refDataValue") for row in rows]
    if not all(isinstance(value, str) for value in values):
        raise FetchError("answered rows without values")
    return frozenset(values)
