"""Reference data, configurations and schemas, read and edited through the Reference Data API, which checks them.

A change names the row as the page has seen it. If somebody else has changed it meanwhile, nothing is changed, and the
answer shows the present row.
"""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, HTTPException, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict

from include.oms.base import database
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db, connection
from plugins.oms_console.outside import ask
from plugins.oms_console.problems import problem
from plugins.oms_console.rights import EDIT, READ, GetUserDep

router = APIRouter(dependencies=READ)

MEDIA_TYPES = ("application/json", "application/problem+json")
Kind = Literal["reference-data", "document-configurations", "document-schemas", "source-system-quotas"]


def _in_json(row: dict[str, Any]) -> dict[str, Any]:
    """The row, if it can be passed on. Raises ValueError for NaN, a lone surrogate, or too many lists in lists."""
    try:
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("holds what JSON in UTF-8 cannot hold") from error
    return row


Row = Annotated[dict[str, Any], AfterValidator(_in_json)]

CHOSEN_FROM: dict[str, dict[str, str]] = {
    "document-configurations": {"footerId": "FOOTER_ID", "appDocSpec": "APP_DOC_SPEC", "code": "DOC_CONFIG_CODE"},
    "document-schemas": {"documentName": "DOCUMENT_NAME"},
    "source-system-quotas": {"sourceSystem": "SOURCE_SYSTEM"},
}
VALUES = {
    "BATCH_CONFIG_ID": (re.compile(r"[1-9][0-9]{0,18}"), "a whole number, such as 1200"),
    "TOPIC_NAME": (re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}"), "a Kafka topic: letters, digits, . _ -"),
}
"""What a value must be, by its code; other codes take any text."""


class Seen(BaseModel):
    """The row as the page has seen it."""

    model_config = ConfigDict(extra="forbid")

    seen: Row


class Changed(Seen):
    """The new content of the row."""

    row: Row


@router.get("/reference/{kind}")
async def rows(kind: Kind, of_type: Annotated[str, Query(alias="type", pattern="^[A-Z_]{0,40}$")] = "") -> Response:
    """All document configurations or schemas, or the reference data of a type that is in force today."""
    return await _passed_on("GET", f"{kind}/type/{of_type}" if kind == "reference-data" else kind)


@router.get("/reference/{kind}/{row_id}")
async def one(kind: Kind, row_id: int) -> Response:
    """One row, whether it is in force or not."""
    return await _passed_on("GET", f"{kind}/{row_id}")


@router.get("/reference/{kind}/{row_id}/history")
async def history(kind: Kind, row_id: int, db: Db) -> list[dict[str, Any]]:
    """What the row was, and who changed it, newest first."""
    return await database.rows(db, "history_of_row", kind=kind.replace("-", "_"), row_id=row_id)


@router.post("/reference/{kind}", dependencies=EDIT)
async def add(kind: Kind, row: Annotated[Row, Body()], user: GetUserDep) -> Response:
    """A new row."""
    await _check(kind, row)
    return await _changed(user, "POST", kind, row)


@router.put("/reference/{kind}/{row_id}", dependencies=EDIT)
async def change(kind: Kind, row_id: int, said: Changed, user: GetUserDep) -> Response:
    """Change a row, if it is still as it was seen."""
    await _check(kind, said.row, said.seen)
    return await _changed(user, "PUT", f"{kind}/{row_id}", said.row, said.seen)


@router.delete("/reference/{kind}/{row_id}", dependencies=EDIT)
async def end(kind: Kind, row_id: int, said: Seen, user: GetUserDep) -> Response:
    """End a row today, if it is still as it was seen. Nothing is deleted."""
    return await _changed(user, "DELETE", f"{kind}/{row_id}", None, said.seen)


async def _check(kind: Kind, row: dict[str, Any], seen: dict[str, Any] | None = None) -> None:
    """Check that a row names known reference data, and that a configuration has a valid value for its code. Raises 422.

    A field that is not changed is not checked.
    """
    for name, of_type in CHOSEN_FROM.get(kind, {}).items():
        if seen and row.get(name) == seen.get(name):
            continue
        answer = await _passed_on("GET", f"reference-data/type/{of_type}")
        known = [it["refDataValue"] for it in json.loads(bytes(answer.body))] if answer.status_code == 200 else None
        if known is not None and row.get(name) not in known:
            raise HTTPException(422, f"{name} must be one of {', '.join(known)}")
    if kind == "document-configurations" and row.get("code") in VALUES:
        pattern, what = VALUES[row["code"]]
        if not pattern.fullmatch(str(row.get("value", ""))):
            raise HTTPException(422, f"the value of {row['code']} must be {what}")


async def _changed(
    user: GetUserDep,
    method: str,
    path: str,
    row: dict[str, Any] | None = None,
    seen: dict[str, Any] | None = None,
) -> Response:
    async with asynccontextmanager(connection)():
        pass  # no change without a database to record it; the connection is not held meanwhile
    tag = None
    if seen is not None:
        now = await _passed_on("GET", path)
        if now.status_code != 200:
            return now
        if json.loads(bytes(now.body)) != seen:
            return _too_late(now)
        tag = now.headers["etag"]
    answer = await _passed_on(method, path, row, tag)
    if answer.status_code == 412:
        return _too_late(await _passed_on("GET", path))
    if answer.status_code < 300:
        action = {"POST": "add_reference_row", "PUT": "change_reference_row", "DELETE": "end_reference_row"}[method]
        after = json.loads(bytes(answer.body)) if answer.body else None
        async with asynccontextmanager(connection)() as db:
            await audit(db, user, action, subject=path, before=seen, after=after)
    return answer


def _too_late(now: Response) -> Response:
    row = json.loads(bytes(now.body))
    said = ", ".join(f"{name} {value}" for name, value in row.items() if name not in ("id", "schema"))
    return problem(409, f"Somebody has changed this row since you saw it. It is now: {said}.", now=row)


async def _passed_on(method: str, path: str, row: dict[str, Any] | None = None, tag: str | None = None) -> Response:
    """The answer of the Reference Data API. Raises HTTPException 502 if there is none, or not in JSON."""
    name = "the Reference Data API"
    condition = {"If-Match": tag} if tag else {}
    answer = await ask("reference_data_api", method, f"/v1/{path}", system=name, json=row, headers=condition)
    is_json = answer.media_type in MEDIA_TYPES or (not answer.body and not answer.media_type)
    if not is_json or answer.status in (401, 403):
        raise HTTPException(502, f"{name} answered {answer.status}")
    kept = {"ETag": answer.headers["etag"]} if "etag" in answer.headers else {}
    return Response(answer.body, answer.status, kept, media_type=answer.media_type or None)
