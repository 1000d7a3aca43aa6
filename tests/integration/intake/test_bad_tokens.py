"""Nobody gets past the door without a good token of the right scope; on any route."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.intake.conftest import a_request, count_rows

PATH = "/v1/document-requests"
READS = [PATH, f"{PATH}/summary", f"{PATH}/1", f"{PATH}/1/timeline", f"{PATH}/1/content"]
WRITES = [PATH, f"{PATH}/bulk", f"{PATH}/1/cancel"]
ROUTES = [("GET", path) for path in READS] + [("POST", path) for path in WRITES]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer x.y.z", "Bearer a, Bearer b"])
def test_no_token_or_none_worth_the_name(intake: Flask, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for method, path in [*ROUTES, ("GET", "/auth/verify")]:
        answer = intake.test_client().open(path, method=method, headers=headers, json=a_request())
        assert (answer.status_code, answer.json["type"]) == (401, "/problems/not-authenticated")
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="oms-intake", error="invalid_token"')


def test_the_other_scope_is_not_enough(client_of: Callable[..., FlaskClient]) -> None:
    for method, path in ROUTES:
        scope, other = ("documents:read", "documents:write")[:: 1 if method == "GET" else -1]
        for scopes in ([other], [], [scope.upper()], [f"{scope}s"]):
            answer = client_of(scopes=scopes).open(path, method=method, json=a_request())
            assert (answer.status_code, answer.json["type"]) == (403, "/problems/insufficient-scope")
            assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]
        answer = client_of(scopes=[scope]).open(path, method=method, json=a_request())
        assert answer.status_code not in (401, 403)


def test_a_token_without_a_source_system(client_of: Callable[..., FlaskClient]) -> None:
    for method, path in ROUTES:
        answer = client_of("").open(path, method=method, json=a_request())
        assert (answer.status_code, answer.json["type"]) == (403, "/problems/unknown-source-system")


@pytest.mark.parametrize("kind", ["expired", "another audience", "another issuer", "none", "HS256"])
def test_a_bad_token_says_why_and_stores_nothing(
    intake: Flask, token: Callable[..., str], db: psycopg.Connection[Any], kind: str
) -> None:
    good = token()
    claims = jwt.decode(good, options={"verify_signature": False})
    tokens: dict[str, Callable[[], str]] = {
        "expired": lambda: token(lifetime=timedelta(seconds=-60)),
        "another audience": lambda: _resigned(intake, claims | {"aud": "another"}),
        "another issuer": lambda: _resigned(intake, claims | {"iss": "another"}),
        "none": lambda: jwt.encode(claims, "", algorithm="none"),
        "HS256": lambda: jwt.encode(claims, "x" * 32, algorithm="HS256"),
    }
    reasons = {
        "expired": "the token has expired",
        "another audience": "the token is for another audience",
        "another issuer": "the token is from another issuer",
    }
    client = intake.test_client()
    answer = client.post(PATH, json=a_request(), headers={"Authorization": f"Bearer {tokens[kind]()}"})
    assert answer.status_code == 401
    assert reasons.get(kind, "the token is signed with a key") in answer.headers["WWW-Authenticate"]
    assert count_rows(db) == 0


def _resigned(intake: Flask, claims: dict[str, Any]) -> str:
    public_file = intake.extensions["oms"].settings.jwt_public_key_file
    return jwt.encode(claims, public_file.with_name("jwt-private.pem").read_bytes(), algorithm="EdDSA")


def test_the_gateway_is_told_whose_token_it_is(cibt: FlaskClient) -> None:
    answer = cibt.get("/auth/verify")
    assert (answer.status_code, answer.data) == (204, b"")
    assert (answer.headers["X-Client"], answer.headers["X-Source-System"]) == ("developer", "CIBT")


def test_an_issuer_out_of_reach(make_intake: Any, intake_settings: Any, token: Callable[..., str]) -> None:
    settings = intake_settings.model_copy(update={"jwt_jwks_url": "http://127.0.0.1:1/jwks"})
    answer = make_intake(settings).test_client().get(PATH, headers={"Authorization": f"Bearer {token()}"})
    assert (answer.status_code, answer.json["type"]) == (503, "/problems/identity-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
