"""Thunderhead, as OMS uses it. The one place where its HTTP becomes typed answers and errors.

Source: contracts/thunderhead.openapi.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from include.oms.base.settings import Settings
from include.oms.outside.door import Door
from include.oms.outside.rate_limit import EVERY_TYPE
from include.oms.outside.text import clean_text, problem_text
from include.oms.outside.transport import Answer, unavailable
from include.oms.words.errors import OutcomeUnknown, Rejected, Unavailable
from include.oms.words.model import Category

T = TypeVar("T")

MOST_IDS_A_CALL = 100  # contract: batchIds
MOST_BYTES_OF_A_PDF = 64 * 1024 * 1024
GONE = {404, 410}  # answers that say: there is no such document
PDF_END_WITHIN_BYTES = 1024  # of the last byte
_BIGINT = range(1, 2**63)
_ANSWERED_WITHOUT_EFFECT = {401, 403, 404, 405, 409, 415, 429}  # a readable answer with one of these: no batch was made
_NEVER_ACCEPTED = {400, 413, 422}


class Batch(Struct, frozen=True):
    """A batch as Thunderhead reports it. ``status`` may be a value that the contract does not list."""

    batch_id: int
    batch_name: str
    status: str
    dms_document_id: int | None


@dataclass(frozen=True)
class GenerationError:
    """One reason why a batch failed."""

    category: Category
    description: str


class Thunderhead:
    """A client of Thunderhead. Every call goes through the door: bounded in time and size, made once.

    Every call may also raise Closed (an Unavailable: Thunderhead is paused or out) and NotInTime.
    """

    def __init__(self, door: Door, settings: Settings) -> None:
        self.door = door
        self._settings = settings

    async def submit(
        self,
        *,
        batch_name: str,
        batch_config_id: str,
        xml: str,
        document_type: str = EVERY_TYPE,
        source_system: str | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> int:
        """Hand one document to Thunderhead, once; never repeats by itself.

        ``document_type`` and ``source_system`` may have rates of their own. ``before`` is called in the last moment;
        what it raises stops the submit. Returns the batch id. Raises Unavailable (nobody's fault, no effect; carries
        retry_after in seconds), Rejected (this payload, for good) or OutcomeUnknown (look the name up before trying
        again).
        """
        return await self.door.call(
            "POST",
            "/v1/batches",
            json={"batchName": batch_name, "batchConfigId": batch_config_id, "payload": xml},
            read=partial(_submitted, batch_name=batch_name),
            timeout_seconds=self._settings.submit_timeout_seconds,
            document_type=document_type,
            source_system=source_system,
            has_effect=True,
            before=before,
        )

    async def find_by_name(self, batch_name: str) -> Batch | None:
        """The newest batch of exactly this name, or None. Raises Unavailable where that cannot be told."""
        return next(iter(await self.find_all_by_name(batch_name)), None)

    async def find_all_by_name(self, batch_name: str) -> list[Batch]:
        """Every batch of exactly this name, newest first: more than one is a double. Raises Unavailable.

        "None" leads to a submit. So an answer that cannot be read, or names another batch, raises Unavailable.
        """

        def read(answer: Answer) -> list[Batch]:
            found = _batches(answer)
            batches = [batch for batch in found if batch is not None and batch.batch_name == batch_name]
            if len(batches) < len(found):
                raise Unavailable("the answer to a look-up by name does not fit the name")
            return batches

        return await self._read("/v1/batches", read, {"batchName": batch_name})

    async def find_by_ids(self, batch_ids: Sequence[int]) -> dict[int, Batch]:
        """Batches by id, at most 100 a call; unknown ids are left out. Raises Unavailable."""
        found = await self._read("/v1/batches", _batches, {"batchIds": ",".join(map(str, batch_ids))})
        return {batch.batch_id: batch for batch in found if batch is not None}

    async def errors_of(self, batch_id: int) -> list[GenerationError]:
        """Why a batch failed; empty where Thunderhead does not say. Raises Unavailable."""
        return await self._read(f"/v1/batches/{batch_id}/errors", _errors)

    async def document(self, document_id: int, *, document_type: str = EVERY_TYPE) -> bytes:
        """A finished PDF, whole. Raises Unavailable (ask again) or Rejected (it is not there, no PDF, or cut off)."""
        return await self.door.call(
            "GET",
            f"/v1/documents/{document_id}",
            read=partial(whole_pdf, document_id=document_id),
            timeout_seconds=self._settings.poll_timeout_seconds,
            max_bytes=MOST_BYTES_OF_A_PDF,
            document_type=document_type,
        )

    async def _read(self, path: str, read: Callable[[Answer], T], params: dict[str, str] | None = None) -> T:
        return await self.door.call(
            "GET", path, read=read, params=params, timeout_seconds=self._settings.poll_timeout_seconds
        )


def _batches(answer: Answer) -> list[Batch | None]:
    """The batches of the answer, None for each unreadable one. Raises Unavailable if there is no list."""
    content = _content(answer)
    batches = content.get("batches") if isinstance(content, dict) else None
    if not isinstance(batches, list):
        raise Unavailable("the answer to a look-up cannot be read")
    return [_batch(batch) for batch in batches]


def _errors(answer: Answer) -> list[GenerationError]:
    content = _content(answer)
    errors = content.get("errors") if isinstance(content, dict) else None
    if not isinstance(errors, list):
        raise Unavailable("the errors of a batch cannot be read")
    return [_generation_error(error) for error in errors[:20] if isinstance(error, dict)]


def whole_pdf(answer: Answer, document_id: int) -> bytes:
    """The PDF in the answer. Raises Rejected where there is none or not all of it, Unavailable: ask again."""
    if answer.status in GONE:
        raise Rejected(f"Thunderhead has no document {document_id}: {answer.status}")
    if answer.status != 200:
        raise unavailable(answer)
    if answer.body is None:
        raise Rejected(f"document {document_id} is larger than {MOST_BYTES_OF_A_PDF} bytes")
    if answer.media_type != "application/pdf":
        raise Rejected(f"document {document_id} is no PDF by its media type")
    if fault := pdf_fault(answer.body):
        raise Rejected(f"document {document_id} {fault}")
    return answer.body


def pdf_fault(content: bytes) -> str | None:
    """Why these bytes are no whole PDF; None where they are. Source of the end: ISO 32000-2, 7.5.5."""
    if not content.startswith(b"%PDF"):
        return "is no PDF"
    return None if b"%%EOF" in content[-PDF_END_WITHIN_BYTES:] else "is cut off: its end is missing"


def _content(answer: Answer) -> Any:
    """The content of the answer to a read. Raises Unavailable for any other answer: a read can be repeated."""
    if answer.status != 200:
        raise unavailable(answer)
    return answer.content


def _submitted(answer: Answer, batch_name: str) -> int:
    """The batch id of an accepted submit. An unreadable answer says nothing about the effect, whatever its status."""
    if 200 <= answer.status < 300:
        batch = _batch(answer.content)
        if batch is not None and batch.batch_name == batch_name:
            return batch.batch_id
    else:
        reason = problem_text(answer.content)
        if reason is not None and answer.status in _NEVER_ACCEPTED:
            raise Rejected(f"answered {answer.status}", said=reason)
        if reason is not None and answer.status in _ANSWERED_WITHOUT_EFFECT:
            raise unavailable(answer, said=reason)
    raise OutcomeUnknown(
        f"answered {answer.status}, with nothing that tells the effect",
        retry_after=answer.retry_after,
        category=Category.INTERNAL_ERROR,
    )


def _batch(content: Any) -> Batch | None:
    """A batch out of foreign JSON, or None if it is not one."""
    if not isinstance(content, dict):
        return None
    batch_id, name, status = content.get("batchId"), content.get("batchName"), content.get("status")
    document_id = content.get("dmsDocumentId")
    if type(batch_id) is not int or batch_id not in _BIGINT or not isinstance(name, str) or not isinstance(status, str):
        return None
    if type(document_id) is not int or document_id not in _BIGINT:
        document_id = None  # not there, or no id
    return Batch(batch_id, name, status, document_id)


def _generation_error(error: dict[str, Any]) -> GenerationError:
    named = error.get("category")
    category = Category(named) if named in list(Category) else Category.UNKNOWN_ERROR
    text = error.get("description")
    description = clean_text(text) if isinstance(text, str) else "no description"
    if category is Category.UNKNOWN_ERROR and isinstance(named, str):
        description = clean_text(f"{named}: {description}")
    return GenerationError(category, description)
