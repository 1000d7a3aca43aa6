"""Whatever is sent: a 4xx by the contract, or it is kept and given back as it was."""

import json
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"
NUMBERS = count()

any_text = st.text(st.characters() | st.sampled_from("\0\ud800\udfff\ufffe\x1f<>&'\"\\%;:\u2028"), max_size=20)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=20,
)
hostile = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@hostile
@given(st.dictionaries(any_text, any_json, max_size=4))
def test_any_content_is_refused_or_read_back_equal(cibt: FlaskClient, content: dict[str, Any]) -> None:
    sent = a_request(f"R{next(NUMBERS)}", document_content=content)
    answer = cibt.post(PATH, data=json.dumps(sent), content_type="application/json")
    assert answer.status_code in (202, 400, 422)
    if answer.status_code == 202:
        kept = cibt.get(f"{answer.headers['Location']}/content").text
        assert kept == json.dumps(content)


@hostile
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(a_request(), any_text)), any_text, any_text)
def test_any_text_in_any_field_is_refused_or_shown_equal(
    cibt: FlaskClient, fields: dict[str, Any], value: str, suffix: str
) -> None:
    fields |= {"document_metadata": [{"key": "INVOICE_ID", "value": value}]}
    sent = a_request(f"R{next(NUMBERS)}{suffix}", **fields)
    answer = cibt.post(PATH, data=json.dumps(sent), content_type="application/json")
    assert answer.status_code in (202, 422)
    if answer.status_code == 202:
        shown = cibt.get(answer.headers["Location"]).json
        assert {name: shown[name] for name in sent if name != "document_content"} == {
            name: sent[name] for name in sent if name != "document_content"
        }


@hostile
@given(st.binary(max_size=60) | any_json.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_answered_by_the_contract(cibt: FlaskClient, body: bytes) -> None:
    for path in (PATH, f"{PATH}?validate_only=true", f"{PATH}/bulk"):
        assert cibt.post(path, data=body, content_type="application/json").status_code in (200, 400, 422)


@pytest.mark.parametrize(
    "content",
    [
        "{" + '"a":{' * 10_000 + "}" * 10_001,
        "{" + ",".join(f'"{i}":1' for i in range(1_000_000)) + "}",
        '{"a": ' + "[" * 62 + "1" + "]" * 62 + "}",
        '{"n": 1' + "0" * 400 + "}",
        '{"n": -1e400, "m": 0.1E-400, "o": 1' + "0" * 4_000 + "}",
        '{"a": "\\u0000"}',
        '{"a": "\\ud83d"}',
        '{"\\udc00": 1}',
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"1 & <2>": {"": [[], {}, ""]}, "xml:lang": 1, "-": 2, "\\u00e9\\n\\t": 3}',
        '{"a": "\\u0001\\u001f\\ufffe\\uffff]]>"}',
        '{"' + "k" * 100_000 + '": "' + "v" * 900_000 + '"}',
    ],
    ids=lambda content: content[:24],
)
def test_the_classics(cibt: FlaskClient, content: str) -> None:
    sent = json.dumps(a_request(document_content={})).replace("{}", content)
    answer = cibt.post(PATH, data=sent, content_type="application/json")
    assert answer.status_code in (202, 400, 413, 422)
    if answer.status_code == 202:
        assert cibt.get(f"{answer.headers['Location']}/content").text == content


@pytest.mark.parametrize("header", ["Authorization", "Content-Type", "Content-Length", "X-Origin-User", "traceparent"])
def test_a_header_that_is_doubled(cibt: FlaskClient, header: str) -> None:
    body = json.dumps(a_request())
    value = {"Content-Type": "application/json", "Content-Length": str(len(body))}.get(header, "x")
    headers = {"Content-Type": "application/json", header: f"{value}, {value}"}
    assert cibt.post(PATH, data=body, headers=headers).status_code in (202, 400, 401, 413, 415, 422)
