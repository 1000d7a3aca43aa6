"""An issuer that rotates, is slow, is out or answers nonsense; a real one, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask

from include.services.issuer.tokens import SCOPES
from oms_intake.settings import IntakeSettings

PATH = "/v1/document-requests"
OLD, NEW = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def key_set(**keys: Ed25519PrivateKey) -> bytes:
    to_jwk = jwt.algorithms.OKPAlgorithm.to_jwk
    return json.dumps(
        {"keys": [json.loads(to_jwk(key.public_key())) | {"kid": kid} for kid, key in keys.items()]}
    ).encode()


class Issuer:
    """Publishes ``body``; ``may_answer`` holds it back."""

    def __init__(self) -> None:
        self.body, self.status, self.calls = key_set(old=OLD), 200, 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.calls += 1
                issuer.may_answer.wait(10)
                self.send_response(issuer.status)
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/jwks"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.may_answer.set()
    issuer.http.shutdown()
    issuer.thread.join()
    issuer.http.server_close()


@pytest.fixture
def status(
    make_intake: Callable[[IntakeSettings], Flask], intake_settings: IntakeSettings, issuer: Issuer
) -> Callable[..., int]:
    """What a read is answered with a token of this key."""
    app = make_intake(intake_settings.model_copy(update={"jwt_jwks_url": issuer.url}))

    def call(kid: str, key: Ed25519PrivateKey = OLD, subject: str = "a") -> int:
        claims = {"iss": intake_settings.jwt_issuer, "aud": intake_settings.jwt_audience, "sub": subject,
                  "source_system": "CIBT", "scope": " ".join(SCOPES), "exp": 1999999999}  # fmt: skip
        token = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})
        return app.test_client().get(PATH, headers={"Authorization": f"Bearer {token}"}).status_code

    return call


def test_a_new_key_counts_at_once(status: Callable[..., int], issuer: Issuer) -> None:
    assert status("old") == 200
    issuer.body = key_set(old=OLD, new=NEW)
    assert status("new", NEW) == 200


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"keys": []}', b"[" * 100_000, b"[" + b"1," * 3_000_000 + b"1]"])
def test_nonsense_costs_no_good_key(status: Callable[..., int], issuer: Issuer, body: bytes) -> None:
    assert status("old") == 200
    issuer.body = body
    assert status("new", NEW) in (401, 503)
    assert status("old", subject="b") == 200


def test_an_issuer_that_is_out_is_told_as_that(status: Callable[..., int], issuer: Issuer) -> None:
    issuer.status = 500
    assert status("old") == 503
    issuer.status = 200
    assert status("old") == 200


def test_a_flood_of_unknown_keys_holds_nobody_up(status: Callable[..., int], issuer: Issuer) -> None:
    assert status("old") == 200
    asked = issuer.calls
    issuer.may_answer.clear()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(status, "k", NEW)
        while issuer.calls == asked:
            assert not first.done()
        flood = list(pool.map(lambda number: status(f"k{number}", NEW), range(64)))
        assert set(flood) <= {401, 503}
        assert status("old", subject="b") == 200
        assert not first.done()
        issuer.may_answer.set()
        assert first.result(5) in (401, 503)
    assert issuer.calls == asked + 1
