"""POST /v1/document-requests/cancel: counted first, then withdrawn as a bulk operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.operators.bulk_operations import lease_operation, work_operation
from oms_intake.settings import IntakeSettings
from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"
CANCEL = f"{PATH}/cancel"


def ask(client: FlaskClient, *correlation_ids: str, **changes: Any) -> list[int]:
    return [client.post(PATH, json=a_request(it, **changes)).json["request_id"] for it in correlation_ids]


def statuses(db: psycopg.Connection[Any]) -> dict[int, str]:
    return dict(db.execute("SELECT request_id, status FROM document_requests").fetchall())


def work(url: str) -> None:
    """As the job bulk_operations does."""

    async def work_all() -> None:
        async with await database.connect(url, Settings(), application_name="test") as connection:
            while leased := await lease_operation(connection):
                async for _ in work_operation(connection, leased, max_seconds=60):
                    pass

    asyncio.run(work_all())


@pytest.fixture
def invoices(cibt: FlaskClient, arcade: FlaskClient) -> list[int]:
    """Three invoices of CIBT's, beside a policy and another system's invoice."""
    ask(arcade, "OTHER")
    ask(cibt, "P", document_type="POLICY")
    return ask(cibt, "A", "B", "C")


def test_it_only_counts_unless_told_otherwise(
    cibt: FlaskClient, invoices: list[int], db: psycopg.Connection[Any]
) -> None:
    answer = cibt.post(f"{CANCEL}?document_type=INVOICE")
    assert (answer.status_code, answer.json) == (
        200,
        {"dry_run": True, "number": 3, "matches_all": False, "needs_approval": False, "operation": None},
    )
    assert set(statuses(db).values()) == {"QUEUED"}
    assert db.execute("SELECT count(*) FROM bulk_operations").fetchone() == (0,)


def test_what_matches_is_withdrawn_and_nothing_else(
    cibt: FlaskClient, invoices: list[int], db: psycopg.Connection[Any], oms_database_url: str
) -> None:
    answer = cibt.post(f"{CANCEL}?document_type=INVOICE&dry_run=false")
    assert (answer.status_code, answer.json["number"]) == (202, 3)
    operation = answer.json["operation"]
    assert answer.headers["Location"] == f"/v1/operations/{operation['operation_id']}"
    assert (operation["action"], operation["state"], operation["worked"]) == ("withdraw", "RUNNING", 0)
    (late,) = ask(cibt, "LATE")  # it came after the count
    work(oms_database_url)
    stopped = {request_id for request_id, status in statuses(db).items() if status == "STOPPED"}
    assert stopped == set(invoices)
    assert statuses(db)[late] == "QUEUED"
    done = cibt.get(answer.headers["Location"]).json
    assert (done["state"], done["counted"], done["worked"], done["done"]) == ("DONE", 3, 3, 3)
    assert done["answers"] == {"withdrawn": 3}
    shown = cibt.get(f"{PATH}/{invoices[0]}").json
    assert [it["description"] for it in shown["errors"]] == ["withdrawn by its client"]
    assert db.execute("SELECT count(*) FROM final_events").fetchone() == (3,)
    kept = db.execute("SELECT actor, door, action, number, subject FROM operator_actions WHERE number = 3").fetchone()
    assert kept == ("client:developer", "api", "withdraw", 3, "source_system: CIBT; document_type: INVOICE")


def test_what_a_job_has_taken_meanwhile_is_left_alone(
    cibt: FlaskClient, invoices: list[int], db: psycopg.Connection[Any], oms_database_url: str
) -> None:
    answer = cibt.post(f"{CANCEL}?document_type=INVOICE&dry_run=false")
    db.execute(
        "UPDATE document_requests SET status = 'PROCESSING', stage = 'GENERATION' WHERE request_id = %s", invoices[:1]
    )
    work(oms_database_url)
    done = cibt.get(answer.headers["Location"]).json
    assert (done["state"], done["done"], done["answers"]) == ("DONE", 2, {"withdrawn": 2})


FILTERS: dict[str, tuple[str, int]] = {
    "by correlation id": ("request_correlation_id=A", 1),
    "by name": ("document_name=IVZRECPA", 4),
    "by another name": ("document_name=POSHOOFF", 0),
    "by metadata": ("metadata=INVOICE_ID:490634&metadata=FOOTER_ID:2", 4),
    "by other metadata": ("metadata=INVOICE_ID:1", 0),
    "by time": ("created_to=2020-01-01T00:00:00Z", 0),
    "by two statuses": ("status=QUEUED&status=FAILED&document_type=INVOICE", 3),
    "by a status that cannot be withdrawn": ("status=FAILED", 0),
    "by a name that is too long": (f"document_name={'x' * 300}", 0),
    "of another system": ("request_correlation_id=OTHER", 0),
}


@pytest.mark.parametrize("name", FILTERS)
def test_the_filter_is_that_of_the_search(cibt: FlaskClient, invoices: list[int], name: str) -> None:
    query, number = FILTERS[name]
    assert cibt.post(f"{CANCEL}?{query}").json["number"] == number
    found = cibt.get(f"{PATH}?{query}").json["items"]
    assert len([it for it in found if it["status"] == "QUEUED"]) == number


@pytest.mark.parametrize("query", ["", "status=QUEUED", "created_from=2020-01-01T00:00:00Z", "document_name=IVZRECPA"])
def test_all_of_them_need_a_confirmation(
    cibt: FlaskClient, invoices: list[int], db: psycopg.Connection[Any], query: str
) -> None:
    assert cibt.post(f"{CANCEL}?{query}").json["matches_all"]
    answer = cibt.post(f"{CANCEL}?{query}&dry_run=false")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/matches-all")
    assert db.execute("SELECT count(*) FROM bulk_operations").fetchone() == (0,)
    confirmed = cibt.post(f"{CANCEL}?{query}&dry_run=false&confirm_all=true")
    assert (confirmed.status_code, confirmed.json["number"]) == (202, 4)


def test_the_only_one_needs_no_confirmation(cibt: FlaskClient) -> None:
    ask(cibt, "A")
    assert cibt.post(f"{CANCEL}?request_correlation_id=A&dry_run=false").status_code == 202


def test_nothing_to_withdraw_is_no_operation(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    answer = cibt.post(f"{CANCEL}?dry_run=false")
    assert (answer.status_code, answer.json["number"], answer.json["operation"]) == (200, 0, None)
    assert db.execute("SELECT count(*) FROM operator_actions").fetchone() == (0,)


def test_many_wait_for_an_operator(
    make_intake: Callable[[IntakeSettings], Flask], intake_settings: IntakeSettings, token: Callable[..., str]
) -> None:
    settings = IntakeSettings(**intake_settings.model_dump(exclude_unset=True) | {"OMS_BULK_APPROVAL_ABOVE": 1})
    client = make_intake(settings).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token()}"
    ask(client, "A", "B", "C")
    answer = client.post(f"{CANCEL}?metadata=INVOICE_ID:490634&dry_run=false&confirm_all=true")
    assert (answer.json["needs_approval"], answer.json["operation"]["state"]) == (True, "WAITING")


def test_metadata_is_neither_in_the_trail_nor_kept(
    cibt: FlaskClient, invoices: list[int], db: psycopg.Connection[Any], oms_database_url: str
) -> None:
    cibt.post(f"{CANCEL}?metadata=INVOICE_ID:490634&dry_run=false&confirm_all=true")
    work(oms_database_url)
    kept = str(db.execute("SELECT selection, subject FROM bulk_operations").fetchall())
    assert "490634" not in kept + str(db.execute("SELECT * FROM operator_actions").fetchall())
    assert "INVOICE_ID" in kept


def test_another_systems_operation_is_not_there(cibt: FlaskClient, arcade: FlaskClient, invoices: list[int]) -> None:
    place = cibt.post(f"{CANCEL}?document_type=INVOICE&dry_run=false").headers["Location"]
    answers = [arcade.get(place), arcade.get("/v1/operations/99999"), arcade.get(f"/v1/operations/{2**63}")]
    assert [it.status_code for it in answers] == [404] * 3
    assert len({it.json["detail"] for it in answers}) == 1


def test_an_operators_operation_is_not_there(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    db.execute("""
        INSERT INTO bulk_operations (action, selection, subject, actor, door, per_second, counted, counted_at, state)
        VALUES ('withdraw', '{"source_system": "CIBT"}', 's', 'airflow:ann', 'console', 1, 1, now(), 'RUNNING')""")
    (operation_id,) = db.execute("SELECT operation_id FROM bulk_operations").fetchone() or ()
    assert cibt.get(f"/v1/operations/{operation_id}").status_code == 404


def test_times_are_instants(cibt: FlaskClient, invoices: list[int]) -> None:
    operation = cibt.post(f"{CANCEL}?document_type=INVOICE&dry_run=false").json["operation"]
    assert datetime.fromisoformat(operation["created_at"]).tzinfo
    assert operation["ended_at"] is None


@pytest.mark.parametrize(
    "query", ["limit=5", "cursor=c1", "dry_run=maybe", "dry_run=false&dry_run=true", "priority=LOW"]
)
def test_what_is_not_known_is_refused(cibt: FlaskClient, query: str) -> None:
    assert cibt.post(f"{CANCEL}?{query}").status_code == 422


def test_it_needs_the_scope_to_write(client_of: Any) -> None:
    assert client_of(scopes=["documents:read"]).post(CANCEL).status_code == 403
