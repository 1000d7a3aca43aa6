"""Names and ids: what the door takes, the search and the retrigger form can say; nothing is altered on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from include.jobs.retrigger_form import read_form
from include.oms.operators.selection import Selection
from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"
GOOD = ["\u5c71\u7530\u3000\u592a\u90ce", "\u0645\u06cc\u200c\u0646\u0627", "Anne\u00a0Marie", "Anna\u00adMaria",
        "\U0001f469\u200d\U0001f4bb", "A\ue000B", "Jean\u202fLuc", "REQ-\ufeff5", "a,b;c 'd' \"e\" \\ %_*"]  # fmt: skip
BAD = ["REQ-1 ", " REQ-1", " ", "REQ-1\u00a0", "\u3000REQ-1", "REQ\u2028-2", "REQ-2\u2028", "REQ\u0085-3",
       "REQ\u2029-6", "\u202eREQ", "a\u2066b", "a\u200fb", "a\u061cb", "a\tb", "a\nb", "a\rb",
       "a\x7fb", "a\0b", "a\uffffb", "a\ufdd0b"]  # fmt: skip


@pytest.mark.parametrize("name", GOOD, ids=ascii)
def test_a_good_name_is_kept_found_and_typed(
    cibt: FlaskClient, client_of: Callable[..., FlaskClient], db: psycopg.Connection[Any], name: str
) -> None:
    sent = a_request(name, document_metadata=[{"key": "CUSTOMER_ID", "value": name}])
    headers = {"X-Origin-User": name.encode().decode("latin-1")}
    answer = client_of(subject=name).post(PATH, json=sent, headers=headers)
    assert (answer.status_code, answer.json["request_correlation_id"]) == (202, name)
    assert db.execute("SELECT origin_user, client_subject FROM document_requests").fetchone() == (name, name)
    for query in ({"request_correlation_id": name}, {"metadata": f"CUSTOMER_ID:{name}"}):
        assert cibt.get(PATH, query_string=query).json["items"] == [answer.json]
    assert read_form({"correlation_ids": f"{name}\r\n", "per_second": 1}).correlation_ids == (name,)
    assert Selection(metadata=(("CUSTOMER_ID", name),)).metadata == (("CUSTOMER_ID", name),)


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_bad_name_is_refused_everywhere(cibt: FlaskClient, client_of: Callable[..., FlaskClient], name: str) -> None:
    for sent, place in (
        (a_request(name), "/request_correlation_id"),
        (a_request(document_metadata=[{"key": "CUSTOMER_ID", "value": name}]), "/document_metadata/0/value"),
    ):
        answer = cibt.post(PATH, json=sent)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, place)
    for query in ({"request_correlation_id": name}, {"metadata": f"CUSTOMER_ID:{name}"}, {"document_name": name}):
        assert cibt.get(PATH, query_string=query).status_code == 422
    assert client_of(subject=name).get(PATH).status_code == 401


@pytest.mark.parametrize("name", [name for name in BAD if "REQ" not in name or "\u2028" in name], ids=ascii)
def test_the_form_never_makes_another_name_of_it(name: str) -> None:
    """Line ends part two names. All else that no name holds is a mistake, not a shorter name."""
    try:
        found = read_form({"correlation_ids": name, "per_second": 1}).correlation_ids
    except ValueError:
        return
    assert found == tuple(name.splitlines())
