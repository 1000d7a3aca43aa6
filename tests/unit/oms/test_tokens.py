"""Tokens: one key, one algorithm; and everything else is refused with its reason."""

import base64
import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from include.oms.base.cached_document import BURST, CachedDocument
from include.oms.base.fetching import Fetched, FetchError
from include.oms.identity.keys import IdentityOutOfReach, JwksKeys, PemKeys, parse_jwks
from include.oms.identity.tokens import Identity, NotAuthenticated, Tokens

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, Any] = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def pem(key: Any) -> bytes:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kind: Any = jwt.algorithms.OKPAlgorithm
    if isinstance(key, rsa.RSAPrivateKey):
        kind = jwt.algorithms.RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        kind = jwt.algorithms.ECAlgorithm
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    fine = {"iss": "us", "aud": "intake", "sub": "letters", "source_system": "CIBT", "scope": "a b", "exp": now + 60}
    return {name: value for name, value in (fine | changes).items() if value is not ...}


def sign(key: Any = ED, algorithm: str = "EdDSA", kid: str | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def forge(header: dict[str, Any], secret: bytes | None = None) -> str:
    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    text = part(header) + b"." + part(claims())
    signature = hmac.digest(secret, text, hashlib.sha256) if secret else b""
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.fixture(params=KEYS)
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pem_keys(directory: Path, key: Any) -> PemKeys:
    file = directory / "key.pem"
    file.write_bytes(pem(key))
    return PemKeys(file)


def checker(keys: Any) -> Tokens:
    return Tokens(keys, issuer="us", audience="intake", leeway_seconds=10)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return checker(pem_keys(tmp_path, ED))


def test_a_good_token_of_each_kind(algorithm: str, tmp_path: Path) -> None:
    tokens = checker(pem_keys(tmp_path, KEYS[algorithm]))
    token = sign(KEYS[algorithm], algorithm)
    assert tokens.identify(token) == Identity("letters", "CIBT", frozenset({"a", "b"}))
    assert tokens.identify(token) is tokens.identify(token)  # remembered


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": int(time.time()) - 11}, "the token has expired"),
        ({"nbf": int(time.time()) + 3600}, "the token is not yet in force"),
        ({"aud": "another"}, "the token is for another audience"),
        ({"iss": "them"}, "the token is from another issuer"),
        *(
            ({name: ...}, "the token lacks one of the claims exp, iss, aud and sub")
            for name in ("exp", "iss", "aud", "sub")
        ),
        ({"sub": ""}, "the token's sub is no name"),
        ({"sub": "a\0b"}, "the token's sub is no name"),
        ({"sub": "x" * 256}, "the token's sub is no name"),
        ({"sub": 5}, "the token cannot be read"),
        ({"exp": "soon"}, "the token cannot be read"),
        ({"exp": 1e400}, "the token cannot be read"),
    ],
)
def test_a_bad_token(tokens: Tokens, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotAuthenticated) as raised:
        tokens.identify(sign(**changes))
    assert raised.value.detail == reason


@pytest.mark.parametrize(
    "token",
    [
        "", "x", "a.b.c", "...", "\u00e9.\u00e9.\u00e9", "e30.e30.", sign(STRANGER)[:-4] + "AAAA", sign(STRANGER),
        forge({"alg": "none", "typ": "JWT"}), forge({"alg": "None"}), forge({}), forge({"alg": ["EdDSA"]}),
        forge({"alg": "HS256"}, pem(ED)), forge({"alg": "HS256"}, b"secret"), sign(RSA, "RS256"),
        forge({"alg": "EdDSA", "kid": 7}), forge({"alg": "EdDSA", "crit": ["exp"]}), "[" * 5000 + ".a.b",
    ],
)  # fmt: skip
def test_what_is_no_token_of_ours(tokens: Tokens, token: str) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.identify(token)


def test_the_public_key_is_no_secret(tmp_path: Path) -> None:
    """An RSA public key used as an HMAC secret: the classic confusion of algorithms."""
    tokens = checker(pem_keys(tmp_path, RSA))
    with pytest.raises(NotAuthenticated):
        tokens.identify(forge({"alg": "HS256"}, pem(RSA)))
    with pytest.raises(NotAuthenticated):
        tokens.identify(sign(RSA, "RS512"))


def test_small_leeway(tokens: Tokens) -> None:
    assert tokens.identify(sign(exp=int(time.time()) - 5))
    assert tokens.identify(sign(nbf=int(time.time()) + 5))


def test_a_remembered_token_expires(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign(exp=int(time.time()) - 9)  # good for a second more, by the leeway
    tokens.identify(token)
    later = time.time() + 2
    monkeypatch.setattr("include.oms.identity.tokens.time.time", lambda: later)
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("checked again"))
    with pytest.raises(pytest.fail.Exception, match="checked again"):
        tokens.identify(token)


@pytest.mark.parametrize("source_system", [..., "", "a\nb", 5, ["CIBT"], "x" * 300])
def test_a_source_system_that_is_no_name_is_none(tokens: Tokens, source_system: Any) -> None:
    assert tokens.identify(sign(source_system=source_system)).source_system is None


@pytest.mark.parametrize("scope", [..., 5, ["a"], None])
def test_a_scope_that_is_no_text_is_none(tokens: Tokens, scope: Any) -> None:
    assert tokens.identify(sign(scope=scope)).scopes == frozenset()


@pytest.mark.parametrize("text", [b"", b"no key", pem(rsa.generate_private_key(65537, 1024))])
def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(text)
    with pytest.raises(ValueError, match=r"OMS_JWT_PUBLIC_KEY_FILE .*key\.pem"):
        PemKeys(file)
    with pytest.raises(ValueError, match=r"OMS_JWT_PUBLIC_KEY_FILE .*none\.pem"):
        PemKeys(tmp_path / "none.pem")


class Issuer:
    """Publishes keys; the clock of a test."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys: Any = list(keys)
        self.now = 0.0
        self.calls = 0
        self.is_up = True
        self.answers = threading.Event()
        self.answers.set()

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        self.calls += 1
        assert self.answers.wait(5)
        if not self.is_up:
            raise FetchError("answered 500")
        return Fetched({"keys": self.keys}, None)

    def tokens(self) -> Tokens:
        return checker(JwksKeys(CachedDocument(self, "http://issuer/jwks", parse_jwks, clock=lambda: self.now)))


def test_a_key_set(algorithm: str) -> None:
    issuer = Issuer(jwk(RSA, "r"), jwk(EC, "e"), jwk(ED, "o", alg="EdDSA", use="sig"))
    kid = {"RS256": "r", "ES256": "e", "EdDSA": "o"}[algorithm]
    tokens = issuer.tokens()
    assert tokens.identify(sign(KEYS[algorithm], algorithm, kid))
    assert tokens.identify(sign(KEYS[algorithm], algorithm))  # the only key of its kind
    with pytest.raises(NotAuthenticated):
        tokens.identify(sign(KEYS[algorithm], algorithm, "r" if kid != "r" else "o"))


def test_without_a_name_there_must_be_no_choice() -> None:
    tokens = Issuer(jwk(ED, "1"), jwk(STRANGER, "2")).tokens()
    assert tokens.identify(sign(ED, kid="1"))
    with pytest.raises(NotAuthenticated):
        tokens.identify(sign(ED))


def test_keys_that_are_not_for_us_are_passed_over() -> None:
    secret = {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}
    p384 = jwk(ec.generate_private_key(ec.SECP384R1()), "p")
    keys = [
        secret,
        p384,
        jwk(RSA, "enc", use="enc"),
        jwk(RSA, "ps", alg="PS256"),
        {"kty": "?"},
        "x",
        None,
        jwk(ED, "o"),
    ]
    assert [key.kid for key in parse_jwks({"keys": keys})] == ["o"]
    for nonsense in (None, [], {}, {"keys": 5}):
        with pytest.raises(FetchError):
            parse_jwks(nonsense)


def test_a_rotated_key_is_fetched_when_a_token_names_it() -> None:
    issuer = Issuer(jwk(ED, "old"))
    tokens = issuer.tokens()
    tokens.identify(sign(ED, kid="old"))
    issuer.keys = [jwk(STRANGER, "new")]
    issuer.now += 1
    assert tokens.identify(sign(STRANGER, kid="new"))
    with pytest.raises(NotAuthenticated):
        tokens.identify(sign(ED, kid="old", sub="somebody"))


def test_a_flood_of_unknown_keys_is_not_passed_on() -> None:
    issuer = Issuer(jwk(ED, "1"))
    tokens = issuer.tokens()
    for number in range(200):
        with pytest.raises(NotAuthenticated):
            tokens.identify(sign(STRANGER, kid=f"k{number}"))
    assert issuer.calls <= BURST + 1
    assert tokens.identify(sign(ED, kid="1"))


def test_an_issuer_out_of_reach_is_not_the_clients_fault() -> None:
    issuer = Issuer(jwk(ED, "1"))
    issuer.is_up = False
    tokens = issuer.tokens()
    with pytest.raises(IdentityOutOfReach):
        tokens.identify(sign(ED, kid="1"))
    issuer.is_up = True
    issuer.now += 1
    assert tokens.identify(sign(ED, kid="1"))
    issuer.is_up = False
    issuer.now += 3500
    assert tokens.identify(sign(ED, kid="1", sub="another"))
    issuer.now += 200
    with pytest.raises(IdentityOutOfReach):
        tokens.identify(sign(ED, kid="1", sub="a third"))


INSTANTS = ["1999999999", "1_999_999_999", " 1999999999 ", "soon", "", True, None, [1999999999], {"n": 1}, 10**400, -1,
            float("nan"), float("inf"), -float("inf"), 1e300, 253_402_300_800]  # fmt: skip


@pytest.mark.parametrize("value", INSTANTS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_an_instant_of_a_wrong_kind_is_the_clients_fault(tokens: Tokens, claim: str, value: Any) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.identify(sign_raw(claims() | {claim: value}))


def test_an_instant_may_be_a_float(tokens: Tokens) -> None:
    now = time.time()
    assert tokens.identify(sign(exp=now + 60.5, nbf=now - 0.5, iat=now - 0.5))


@pytest.mark.parametrize(
    "value", [5, True, None, 1.5, [], ["us"], {"a": ["us"]}, "x" * 10_000, "\0", "\u202eus", [[["us"]]]]
)
@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "source_system", "scope", "jti"])
def test_whatever_a_claim_holds_the_answer_is_true(tokens: Tokens, claim: str, value: Any) -> None:
    """Where the claim is none of ours, or asks for nothing, the token is good and says less."""
    try:
        identity = tokens.identify(sign_raw(claims() | {claim: value}))
    except NotAuthenticated:
        return
    assert claim not in ("iss", "aud") or value == "us"
    assert identity.source_system in ("CIBT", None) or identity.source_system == value


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"5", b'"x"', b"\xff", b"[" * 5000, b'{"exp": 1' + b"0" * 5000 + b"}"]
)
def test_claims_that_are_no_object(tokens: Tokens, body: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.identify(jwt.PyJWS().encode(body, ED, algorithm="EdDSA"))


HEADERS: list[dict[str, Any]] = [
    *({"kid": value} for value in ("", "x" * 10_000, "\0", "..%2f", 7, None, [], {"a": 1}, True, 1e300)),
    *({"alg": value} for value in ("", "eddsa", "HS256", "none", 7, None, ["EdDSA"], {"a": 1}, "x" * 10_000)),
    *({"crit": value} for value in ([], ["x"], ["b64"], "exp", 5, None, [5], [["x"]])),
    *({"typ": value} for value in ("at+jwt", 5, None, ["JWT"], "x" * 10_000)),
    {"crit": ["x"], "x": 1}, {"b64": False}, {"b64": False, "crit": ["b64"]}, {"jwk": {"kty": "oct", "k": "AA"}},
    {"jku": "http://127.0.0.1:1/"}, {"x5u": "http://127.0.0.1:1/"}, {"zip": "DEF"}, {"cty": "JWT"},
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: str(header)[:40])
def test_whatever_the_header_holds_the_answer_is_true(header: dict[str, Any]) -> None:
    issuer = Issuer(jwk(ED, "1"))
    try:
        issuer.tokens().identify(sign_raw(claims(), {"alg": "EdDSA", "kid": "1"} | header))
    except NotAuthenticated:
        assert set(header) & {"kid", "alg", "crit", "b64"}
    assert issuer.calls <= BURST + 1


def sign_raw(content: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    """Signed as it is: PyJWT would refuse to make some of these."""
    parts = ({"alg": "EdDSA"} if header is None else header, content)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    signature = ED.sign(b".".join(encoded))
    return b".".join([*encoded, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


# -- Key sets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nonsense",
    [[], [None], [5], [{"kty": "oct", "k": "AA"}], [{"kty": "RSA"}], [{"kty": ["RSA"]}], [{"kty": "EC"}],
     [{"kty": "RSA", "n": "!", "e": "AQAB"}], [{"kty": "OKP", "crv": "Ed25519", "x": 5}], {"a": 1}, "keys", 5, None],
)  # fmt: skip
def test_good_keys_are_kept_whatever_the_issuer_answers(nonsense: Any) -> None:
    issuer = Issuer(jwk(ED, "1"))
    tokens = issuer.tokens()
    tokens.identify(sign(ED, kid="1"))
    issuer.keys = nonsense
    issuer.now += 400  # the key set is no longer fresh, and is fetched
    with pytest.raises(IdentityOutOfReach):
        tokens.identify(sign(STRANGER, kid="2"))  # it may be a new key: the issuer does not say
    assert tokens.identify(sign(ED, kid="1", sub="another"))


def test_a_usable_key_among_nonsense_counts() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    nonsense = [{"kty": "RSA", "n": deep}, {"kid": deep, "kty": "?"}, jwk(RSA, "r", key_ops=["encrypt"])]
    assert [key.kid for key in parse_jwks({"keys": [*nonsense, jwk(ED, "o")]})] == ["o"]


def test_two_keys_of_one_name_are_both_tried() -> None:
    tokens = Issuer(jwk(STRANGER, "1"), jwk(ED, "1")).tokens()
    assert tokens.identify(sign(ED, kid="1"))
    assert tokens.identify(sign(STRANGER, kid="1"))
    with pytest.raises(NotAuthenticated):
        tokens.identify(sign(ed25519.Ed25519PrivateKey.generate(), kid="1"))


@pytest.mark.parametrize("kid", ["1", None])
def test_a_key_that_was_replaced_under_its_own_name(kid: str | None) -> None:
    issuer = Issuer(jwk(ED, "1"))
    tokens = issuer.tokens()
    tokens.identify(sign(ED, kid=kid))
    issuer.keys = [jwk(STRANGER, "1")]
    assert tokens.identify(sign(STRANGER, kid=kid))


def test_an_unknown_key_during_an_outage_is_not_the_clients_fault() -> None:
    issuer = Issuer(jwk(ED, "1"))
    tokens = issuer.tokens()
    tokens.identify(sign(ED, kid="1"))
    issuer.is_up = False
    issuer.now += 10
    with pytest.raises(IdentityOutOfReach):
        tokens.identify(sign(STRANGER, kid="2"))
    with pytest.raises(NotAuthenticated):  # the key is known, and it did not sign this
        tokens.identify(sign(STRANGER, kid="1"))


def test_nobody_waits_for_the_fetch_of_another() -> None:
    """While the issuer takes its time over one unknown key, good tokens are good and other unknown keys are told so."""
    issuer = Issuer(jwk(ED, "1"))
    tokens = issuer.tokens()
    tokens.identify(sign(ED, kid="1"))
    issuer.now += 10
    issuer.answers.clear()
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(tokens.identify, sign(STRANGER, kid="0"))
        while issuer.calls < 2:
            assert not waits.done()
        for number in range(100):
            with pytest.raises(IdentityOutOfReach):
                tokens.identify(sign(STRANGER, kid=f"k{number}"))
        assert tokens.identify(sign(ED, kid="1", sub="another"))
        assert not waits.done()
        issuer.answers.set()
        with pytest.raises(NotAuthenticated):
            waits.result(5)
    assert issuer.calls == 2
