"""Each rule of the gateway, against a real nginx with the real intake behind it."""

from __future__ import annotations

import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import httpx
import psycopg
import pytest

from include.oms.words.problems import PROBLEMS
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.recorder import Recorder
from tests.integration.intake.conftest import PDF, ServedIntake, a_request, complete

PATH = "/v1/document-requests"
Token = Callable[..., str]
Start = Callable[..., Gateway]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.stop()


@pytest.fixture
def client(gateway: Gateway, token_of: Token) -> Iterator[httpx.Client]:
    with gateway.client(token_of()) as client:
        yield client


@pytest.fixture
def stranger(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def problem_of(answer: httpx.Response) -> str:
    """The problem's name. Raises AssertionError where the answer is none by the contract and the catalogue."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    name: str = told["type"].removeprefix("/problems/")
    assert told["title"] == PROBLEMS[name].title
    assert told["status"] == answer.status_code
    assert answer.status_code == PROBLEMS[name].status or name == "bad-call"
    assert told["request_id"] == answer.headers["X-Request-Id"]
    assert told["detail"]
    assert told["instance"].startswith("/")
    return name


def raw(gateway: Gateway, call: bytes) -> httpx.Response:
    """What is answered to these bytes, over TLS."""
    plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    with gateway.context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(call)
        got = b""
        while part := connection.recv(65536):
            got += part
    head, _, body = got.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return httpx.Response(int(status.split()[1]), headers=[line.split(": ", 1) for line in lines], content=body)


def test_a_request_goes_through_to_the_database_and_back(client: httpx.Client) -> None:
    stored = client.post(PATH, json=a_request("through"))
    assert stored.status_code == 202
    assert stored.headers["Location"] == f"{PATH}/{stored.json()['request_id']}"
    assert client.post(PATH, json=a_request("through")).status_code == 200
    assert client.get(stored.headers["Location"]).json() == stored.json()
    assert client.get(PATH, params={"request_correlation_id": "through"}).json()["items"][0] == stored.json()
    assert client.post(f"{PATH}/bulk", json=[a_request("through")]).json()["replayed"] == 1


def test_what_the_intake_refuses_is_told_in_its_own_words(client: httpx.Client) -> None:
    answer = client.post(PATH, json={})
    assert (answer.status_code, problem_of(answer), len(answer.json()["errors"])) == (422, "invalid-request", 6)
    assert problem_of(client.get(f"{PATH}/999999")) == "not-found"


def test_a_document_comes_through_whole(client: httpx.Client, database: str) -> None:
    request_id = client.post(PATH, json=a_request("document")).json()["request_id"]
    assert problem_of(client.get(f"{PATH}/{request_id}/document")) == "document-not-ready"
    with psycopg.connect(database, autocommit=True) as db:
        complete(db, request_id)
    answer = client.get(f"{PATH}/{request_id}/document")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, PDF, str(len(PDF)))
    known = client.get(f"{PATH}/{request_id}/document", headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/docs/", "/docs/swagger-ui.css", "/problems/",
                                  "/problems/too-many-calls", "/problems/OVERDUE"])  # fmt: skip
def test_open_to_all(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 200


def test_redirects_stay_on_the_gateway(stranger: httpx.Client) -> None:
    assert [stranger.get(path).headers["Location"] for path in ("/", "/docs")] == ["/docs/", "/docs/"]


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/auth/verify", "/.verify", "/.problem", "/nothing"])
def test_not_there_for_anybody(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, problem_of(answer)) == (404, "not-found")
    assert answer.json()["instance"] == path


@pytest.mark.parametrize("way", [
    "//metrics", "/./metrics", "/v1/../metrics", "/v1/..%2fmetrics", "/healthz/../metrics", "/%6detrics",
    "/metrics%3f/../healthz", "/metrics?/../healthz", "/metrics#/../healthz", "/metrics/../healthz", "/metrics/",
    "/problems/../metrics", "/problems/%2e%2e/metrics", "/docs/..%5cmetrics", "/docs/../readyz", "/metrics;/../docs/",
    "http://localhost/metrics",
])  # fmt: skip
def test_no_way_round(gateway: Gateway, token_of: Token, way: str) -> None:
    answer = raw(gateway, f"GET {way} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          f"Authorization: Bearer {token_of()}\r\n\r\n".encode())  # fmt: skip
    assert answer.status_code in (400, 404)
    assert "oms_intake" not in answer.text


def test_no_call_without_a_good_token_reaches_the_intake(
    gateway: Gateway, served_intake: ServedIntake, token_of: Token
) -> None:
    for headers, why in (
        ({}, "no bearer token"),
        ({"Authorization": "Bearer nonsense"}, "cannot be read"),
        ({"Authorization": f"Bearer {token_of()[:-4]}AAAA"}, "signature"),
    ):
        with gateway.client(**headers) as client:
            answer = client.post(PATH, json=a_request("no-token"))
        assert (answer.status_code, problem_of(answer)) == (401, "not-authenticated")
        assert why in answer.headers["WWW-Authenticate"]
        lines = [line for line in served_intake.lines() if line.get("call_id") == answer.headers["X-Request-Id"]]
        assert [line["route"] for line in lines] == ["/auth/verify"]


def test_scopes_are_the_intakes_own_matter(gateway: Gateway, token_of: Token) -> None:
    with gateway.client(token_of(scopes=["documents:read"])) as client:
        assert problem_of(client.post(PATH, json=a_request())) == "insufficient-scope"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused(client: httpx.Client, chunked: bool) -> None:
    body = b"x" * 1_100_000
    answer = client.post(PATH, content=iter([body]) if chunked else body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, problem_of(answer)) == (413, "too-large")


def test_a_bulk_call_may_be_larger(client: httpx.Client) -> None:
    many = [a_request(f"bulk-{number}", document_content={"Text": "x" * 15_000}) for number in range(100)]
    answer = client.post(f"{PATH}/bulk", json=many)
    assert answer.json()["accepted"] == 100
    body = b"[" + b" " * 9_000_000 + b"]"
    for content in (body, iter([body])):
        answer = client.post(f"{PATH}/bulk", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, problem_of(answer)) == (413, "too-large")


def test_a_body_of_just_the_limit_is_the_intakes_to_judge(client: httpx.Client) -> None:
    body = b'{"x": "' + b"x" * (1_048_576 - 9) + b'"}'
    assert (
        problem_of(client.post(PATH, content=body, headers={"Content-Type": "application/json"})) == "invalid-request"
    )


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (b"\r\n\r\nnonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: %b\r\n" % (b"x" * 4000) * 30 + b"\r\n", 431),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ],
    ids=lambda call: repr(call[:24]) if isinstance(call, bytes) else str(call),
)
def test_what_is_no_call_is_refused(gateway: Gateway, call: bytes, status: int) -> None:
    answer = raw(gateway, call)
    name = {414: "uri-too-long", 431: "headers-too-large"}.get(status, "bad-call")
    assert (answer.status_code, problem_of(answer)) == (status, name)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/bulk", "/healthz"])
@pytest.mark.parametrize("length", [7_900, 8_100, 8_300, 9_000, 15_000, 17_000, 40_000])
def test_a_request_line_of_any_length_is_answered_by_the_contract(client: httpx.Client, path: str, length: int) -> None:
    """Never "repeat" for what cannot succeed, whichever of the limits is the first."""
    query = "metadata=CUSTOMER_ID:" + "x" * (length - len(path) - 22)
    answer = client.get(f"{path}?{query}") if "bulk" not in path else client.post(f"{path}?{query}", json=[])
    if length > 8_000:
        assert (answer.status_code, problem_of(answer)) == (414, "uri-too-long")
    else:
        assert answer.status_code in (200, 422)


@pytest.mark.parametrize("count", [40, 55, 90, 120, 300])
@pytest.mark.parametrize("path", [PATH, "/healthz"])
def test_any_number_of_headers_is_answered_by_the_contract(client: httpx.Client, path: str, count: int) -> None:
    answer = client.get(path, headers={f"X-H{number}": "x" for number in range(count)})
    if count > 100:
        assert (answer.status_code, problem_of(answer)) == (431, "headers-too-large")
    else:
        assert answer.status_code == 200


@pytest.mark.parametrize("length", [7_000, 9_000, 15_000, 16_370, 16_384, 17_000, 70_000])
@pytest.mark.parametrize("name", ["X-Long", "Authorization", "Cookie"])
def test_a_header_of_any_length_is_answered_by_the_contract(
    gateway: Gateway, token_of: Token, name: str, length: int
) -> None:
    headers = {"Authorization": f"Bearer {token_of()}"} | {name: "x" * length}
    with gateway.client(**headers) as client:
        answer = client.get(PATH)
    assert answer.status_code in ((401, 431) if name == "Authorization" else (200, 431))
    if answer.status_code != 200:
        problem_of(answer)


def test_a_client_whose_name_is_long(gateway: Gateway, token_of: Token) -> None:
    with gateway.client(token_of("\U0001f469" * 255)) as client:
        assert client.get(PATH).status_code == 200


def test_an_address_holds_so_many_calls_and_no_more(start_gateway: Start, recorder: Recorder) -> None:
    """Calls whose bodies are still coming count, too."""
    gateway = start_gateway(recorder.url, address_calls=3)
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\nContent-Length: 100\r\n\r\n{{"
    with ExitStack() as stack:
        for _ in range(3):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=20))
            tls = stack.enter_context(gateway.context.wrap_socket(plain, server_hostname="localhost"))
            tls.sendall(head.encode())
        with gateway.client("any") as client:
            answer = client.get(PATH)
            while answer.status_code == 200:  # nginx has not read all of the three yet
                answer = client.get(PATH)
        assert (answer.status_code, problem_of(answer)) == (429, "too-many-calls")


def test_a_body_that_drips_has_an_end(start_gateway: Start, recorder: Recorder) -> None:
    gateway = start_gateway(recorder.url, reload_seconds=1, call_seconds=5)
    plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\nContent-Length: 1000\r\n\r\n"
    with gateway.context.wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(head.encode())
        client.settimeout(0.1)
        sent = 0
        with suppress(ConnectionError, ssl.SSLError):
            while sent < 300:  # for ever, if nginx would let it
                client.sendall(b"x")
                sent += 1
                with suppress(TimeoutError):
                    if client.recv(1) == b"":
                        break
    assert sent < 300
    with gateway.client("any") as good:
        assert good.get(PATH).status_code == 200


def test_methods_that_nobody_has(client: httpx.Client) -> None:
    assert problem_of(client.request("TRACE", PATH)) == "method-not-allowed"
    assert problem_of(client.delete(PATH)) == "method-not-allowed"


def test_without_tls_there_is_nothing(gateway: Gateway) -> None:
    answer = httpx.get(f"http://127.0.0.1:{gateway.port}/healthz", trust_env=False)
    assert (answer.status_code, problem_of(answer)) == (400, "bad-call")


def test_only_tls_that_is_still_good(gateway: Gateway) -> None:
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    with plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)


@pytest.mark.parametrize("path", ["/healthz", "/metrics", PATH, "/docs/"])
def test_headers_that_every_answer_carries_once(stranger: httpx.Client, path: str) -> None:
    headers = stranger.get(path).headers
    for name in ("Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy",
                 "Content-Security-Policy", "X-Request-Id"):  # fmt: skip
        assert len(headers.get_list(name)) == 1
    assert headers["Server"] == "nginx"


def test_the_calls_id_is_the_same_everywhere(
    gateway: Gateway, client: httpx.Client, served_intake: ServedIntake
) -> None:
    ids = []
    for sent in ("from-the-client:1", 'bad" id', None):
        answer = client.get(PATH, headers={"X-Request-Id": sent} if sent else {})
        ids.append(answer.headers["X-Request-Id"])
    assert ids[0] == "from-the-client:1"
    assert all(len(made) == 32 for made in ids[1:])
    told = Counter(line.get("call_id") for line in served_intake.lines())
    assert [told[one] for one in ids] == [2, 2, 2]  # the intake is asked about the token first
    assert {gateway.noted(one)["status"] for one in ids} == {200}


def test_the_log_holds_neither_query_nor_token(gateway: Gateway, client: httpx.Client, token_of: Token) -> None:
    client.get(PATH, params={"metadata": "CUSTOMER_ID:very-secret"})
    stored = client.post(PATH, json=a_request("logged"))
    line = gateway.noted(stored.headers["X-Request-Id"])
    assert {"client": "developer", "address": "127.0.0.1", "path": PATH, "status": 202}.items() <= line.items()
    everything = gateway.log.read_text() + gateway.output.read_text()
    assert "very-secret" not in everything
    assert token_of().split(".")[1][:40] not in everything


# -- So often, and no more ------------------------------------------------------------------------------------


def statuses(client: httpx.Client, calls: int, path: str = PATH, **headers: str) -> Counter[int]:
    return Counter(client.get(path, headers=headers).status_code for _ in range(calls))


def test_a_client_that_calls_too_often_is_told_when_to_come_back(
    start_gateway: Start, served_intake: ServedIntake, token_of: Token
) -> None:
    gateway = start_gateway(served_intake.url, client_rate=1, client_burst=4)
    with gateway.client(token_of("eager")) as eager, gateway.client(token_of("calm")) as calm:
        answers = [eager.get(PATH) for _ in range(12)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) >= 6
        assert {(problem_of(answer), answer.headers["Retry-After"]) for answer in refused} == {("too-many-calls", "1")}
        assert calm.get(PATH).status_code == 200  # from the same address
    with gateway.client(token_of("eager", scopes=["documents:read"])) as again:
        assert statuses(again, 6)[429] >= 4  # another token, the same client
    with gateway.client(token_of("calm"), **{"X-Client": "eager"}) as calm:
        assert calm.get(PATH).status_code == 200  # nobody speaks for another


def test_that_is_in_the_contract_as_it_is_served(stranger: httpx.Client) -> None:
    told = stranger.get("/openapi.json").json()["paths"][PATH]["post"]["responses"]["429"]
    assert told["headers"]["Retry-After"]


def test_come_back_after_that_time_and_it_works(start_gateway: Start, recorder: Recorder) -> None:
    gateway = start_gateway(recorder.url, client_rate=1, client_burst=1)
    with gateway.client("any") as client:
        while (answer := client.get(PATH)).status_code != 429:
            pass
        time.sleep(int(answer.headers["Retry-After"]) + 0.1)
        assert client.get(PATH).status_code == 200


def test_an_address_that_calls_too_often_with_whatever_tokens(start_gateway: Start, recorder: Recorder) -> None:
    """Behind a load balancer: its word on who calls counts."""
    gateway = start_gateway(recorder.url, address_rate=1, address_burst=4)
    recorder.verify_status = 401
    with gateway.client("guessed") as client:
        assert statuses(client, 12, **{"X-Forwarded-For": "203.0.113.7"})[429] >= 6
        assert statuses(client, 12, "/healthz", **{"X-Forwarded-For": "203.0.113.7"})[200] <= 1
        assert statuses(client, 3, "/healthz", **{"X-Forwarded-For": "203.0.113.8"}) == {200: 3}


def test_nobody_else_is_believed_about_the_address(start_gateway: Start, recorder: Recorder) -> None:
    gateway = start_gateway(recorder.url, address_rate=1, address_burst=4, trusted_proxies="10.0.0.0/8")
    with gateway.client() as client:
        called = [client.get("/healthz", headers={"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(12)]
    assert Counter(answer.status_code for answer in called)[429] >= 6
    assert {headers["X-Forwarded-For"] for _, headers in recorder.calls} == {"127.0.0.1"}


# -- What the intake is told, and what happens without it -----------------------------------------------------


def test_what_reaches_the_intake(start_gateway: Start, recorder: Recorder) -> None:
    gateway = start_gateway(recorder.url)
    sent = {"X-Forwarded-For": "203.0.113.7", "X-Request-Id": "mine", "X-Client": "boss", "X-Origin-User": "Ada",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}  # fmt: skip
    with gateway.client("any", **sent) as client:
        client.post(PATH, params={"validate_only": "true"}, json={})
    ((path, got),) = recorder.calls
    assert path == f"{PATH}?validate_only=true"
    assert got["Authorization"] == "Bearer any"
    assert (got["X-Forwarded-For"], got["X-Forwarded-Proto"]) == ("203.0.113.7", "https")
    assert (got["X-Request-Id"], got["X-Origin-User"]) == ("mine", "Ada")
    assert got["traceparent"] == sent["traceparent"]
    assert got["X-Client"] is None


@pytest.mark.parametrize(("verify_status", "name"), [(503, "identity-unavailable"), (500, "intake-unavailable")])
def test_a_token_that_cannot_be_checked(
    start_gateway: Start, recorder: Recorder, verify_status: int, name: str
) -> None:
    gateway = start_gateway(recorder.url)
    recorder.verify_status = verify_status
    with gateway.client("any") as client:
        answer = client.post(PATH, json={})
    assert (answer.status_code, problem_of(answer), answer.headers.get_list("Retry-After")) == (503, name, ["5"])
    assert recorder.calls == []


def test_an_intake_that_is_away(start_gateway: Start) -> None:
    gateway = start_gateway("http://127.0.0.1:1")
    with gateway.client("any") as client:
        for path in (PATH, "/healthz"):
            answer = client.get(path)
            assert (answer.status_code, problem_of(answer)) == (503, "intake-unavailable")
            assert answer.headers.get_list("Retry-After") == ["5"]


def test_slow_headers_are_not_waited_for_for_ever(gateway: Gateway) -> None:
    began_at = time.monotonic()
    answer = raw_slowly(gateway)
    assert answer in (b"", b"HTTP/1.1 408")
    assert 8 < time.monotonic() - began_at < 60


def raw_slowly(gateway: Gateway) -> bytes:
    """The beginning of what is answered to a call that never ends."""
    plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=60)
    with gateway.context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        try:
            return connection.recv(12)
        except (ConnectionResetError, ssl.SSLError):
            return b""
