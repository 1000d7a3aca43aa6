"""A source system stores no more than its quotas allow; replays are free, and others go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from include.oms.intake.quotas import Quotas
from oms_intake.settings import IntakeSettings
from tests.integration.intake.conftest import ReferenceDataServer, a_request
from tests.integration.services.running import eventually

pytestmark = pytest.mark.integration

PATH = "/v1/document-requests"
PLENTY = {"mostOpenRequests": 1000, "mostRequestsAnHour": 1000, "mostBytesAnHour": 10**9}


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test exchanges by itself: what the processes know does not depend on the pace of this machine."""
    monkeypatch.setattr(Quotas, "_exchange_soon", lambda _self: None)


@pytest.fixture
def quota(reference_data: ReferenceDataServer) -> Callable[..., None]:
    """Sets quotas of CIBT's."""

    def put(**quotas: int) -> None:
        reference_data.quotas["CIBT"] = {"id": 1, "sourceSystem": "CIBT", **PLENTY, **quotas}

    return put


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(
    ("quotas", "name"),
    [
        ({"mostOpenRequests": 2}, "open-requests"),
        ({"mostRequestsAnHour": 2}, "requests-an-hour"),
        ({"mostBytesAnHour": 100}, "bytes-an-hour"),
    ],
)
def test_beyond_a_quota_it_is_429_with_its_name_and_others_go_on(
    cibt: FlaskClient, arcade: FlaskClient, quota: Callable[..., None], quotas: dict[str, int], name: str
) -> None:
    quota(**quotas)
    for nth in ("1", "2"):
        assert cibt.post(PATH, json=a_request(nth)).status_code == 202
    answer = cibt.post(PATH, json=a_request("3"))
    assert (answer.status_code, answer.json["type"]) == (429, "/problems/quota-exceeded")
    assert (answer.json["quota"], answer.json["limit"]) == (name, *quotas.values())
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600
    assert f'"{name}";r=' in answer.headers["RateLimit"]
    assert f'"{name}";q={answer.json["limit"]}' in answer.headers["RateLimit-Policy"]
    assert cibt.post(PATH, json=a_request("1")).status_code == 200  # a replay
    assert arcade.post(PATH, json=a_request("3")).status_code == 202


@pytest.mark.usefixtures("by_hand")
def test_a_bulk_call_is_stored_whole_or_refused_and_its_replay_is_free(
    cibt: FlaskClient, quota: Callable[..., None], db: psycopg.Connection[Any]
) -> None:
    quota(mostRequestsAnHour=3)
    two, two_more = [a_request("1"), a_request("2")], [a_request("3"), a_request("4")]
    assert cibt.post(f"{PATH}/bulk", json=two).json["accepted"] == 2
    answer = cibt.post(f"{PATH}/bulk", json=two_more)
    assert (answer.status_code, answer.json["used"]) == (429, 2)
    assert cibt.post(f"{PATH}/bulk", json=two * 2).json["replayed"] == 4
    assert cibt.post(f"{PATH}/bulk", json=[{}]).json["rejected"] == 1
    assert db.execute("SELECT count(*) FROM document_requests").fetchone() == (2,)


@pytest.mark.usefixtures("by_hand")
def test_two_processes_share_a_quota(
    make_intake: Callable[[IntakeSettings], Flask],
    intake_settings: IntakeSettings,
    token: Callable[..., str],
    quota: Callable[..., None],
    db: psycopg.Connection[Any],
) -> None:
    quota(mostRequestsAnHour=4)
    one, other = make_intake(intake_settings), make_intake(intake_settings)
    headers = {"Authorization": f"Bearer {token()}"}

    def post(intake: Flask, name: str) -> int:
        return intake.test_client().post(PATH, json=a_request(name), headers=headers).status_code

    assert [post(one, "1"), post(other, "2"), post(one, "3"), post(other, "4")] == [202] * 4
    for intake in (one, other, one):
        intake.extensions["oms"].quotas.exchange()
    assert [post(one, "5"), post(other, "6")] == [429, 429]
    assert db.execute("SELECT source_system, requests FROM source_system_usage").fetchall() == [("CIBT", 4)]


def test_what_is_stored_is_told_to_the_others_without_another_call(
    cibt: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    cibt.post(f"{PATH}/bulk", json=[a_request("1"), a_request("2")])
    eventually(lambda: db.execute("SELECT requests FROM source_system_usage").fetchall() == [(2,)])


@pytest.mark.usefixtures("by_hand")
def test_without_quotas_of_its_own_a_source_system_has_those_of_the_settings(
    make_intake: Callable[[IntakeSettings], Flask], intake_settings: IntakeSettings, token: Callable[..., str]
) -> None:
    client = make_intake(intake_settings.model_copy(update={"quota_requests_an_hour": 1})).test_client()
    headers = {"Authorization": f"Bearer {token()}"}
    answers = [client.post(PATH, json=a_request(nth), headers=headers) for nth in ("1", "2")]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert '"requests-an-hour";q=1;w=3600' in answers[0].headers["RateLimit-Policy"]
    assert client.post(f"{PATH}?validate_only=true", json=a_request("3"), headers=headers).json == {"valid": True}
