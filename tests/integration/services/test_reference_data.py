"""The Reference Data API over a real database: include/contracts/reference-data.openapi.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jsonschema
import psycopg
import pytest
import yaml

from include.oms.testing.postgres import as_role, create_database, database_url
from include.services.issuer.tokens import ensure_key_pair, make_token
from tests.integration.services.running import ROOT, eventually, running

pytestmark = pytest.mark.integration

CONTRACT = yaml.safe_load((ROOT / "include/contracts/reference-data.openapi.yaml").read_text())
DATA, CONFIGURATIONS, SCHEMAS = "/v1/reference-data", "/v1/document-configurations", "/v1/document-schemas"
QUOTAS = "/v1/source-system-quotas"
KINDS = {
    DATA: "ReferenceData",
    CONFIGURATIONS: "DocumentConfiguration",
    SCHEMAS: "DocumentSchema",
    QUOTAS: "SourceSystemQuota",
}
NO_END = "4712-12-31"


def day(offset: int) -> str:
    """Today plus so many days, as the service counts them."""
    return (datetime.now(UTC).date() + timedelta(days=offset)).isoformat()


@pytest.fixture(scope="module")
def service(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, str]]:
    """The service over a database of this module's own, and that database's URL."""
    create_database(postgres_url, "reference_data_tests", template=template_database)
    url = database_url(postgres_url, "reference_data_tests")
    private_key, public_key = ensure_key_pair(tmp_path_factory.mktemp("keys"))
    settings = {
        "OMS_DATABASE_URL": as_role(url, "oms_reference_data"),
        "OMS_STATEMENT_TIMEOUT_SECONDS": "0.5",
        "OMS_JWT_PUBLIC_KEY_FILE": str(public_key),
    }
    token = make_token(private_key, source_system="OMS", scopes=["reference-data:write"])
    with (
        running("include.services.reference_data", "OMS_REFERENCE_DATA_PORT", **settings) as running_service,
        httpx.Client(base_url=running_service.url, headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        yield client, url


@pytest.fixture
def api(service: tuple[httpx.Client, str]) -> Iterator[httpx.Client]:
    """The service with the sample data in it and nothing else."""
    client, url = service
    with psycopg.connect(url, autocommit=True) as db:
        most = db.execute("SELECT (SELECT max(id) FROM reference_data), (SELECT max(id) FROM document_configurations)")
        last_data, last_configuration = most.fetchone() or (0, 0)
        yield client
        db.execute("DELETE FROM reference_data WHERE id > %s", (last_data,))
        db.execute("DELETE FROM document_configurations WHERE id > %s", (last_configuration,))
        db.execute("DELETE FROM document_schemas")
        db.execute("DELETE FROM source_system_quotas")


def assert_is_a_problem(answer: httpx.Response, status: int) -> str:
    """Its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert "Traceback" not in answer.text
    return str(answer.json()["detail"])


def make(api: httpx.Client, path: str = DATA, **members: Any) -> dict[str, Any]:
    made = api.post(path, json=new(path, **members))
    assert made.status_code == 201, made.text
    jsonschema.validate(made.json(), CONTRACT["components"]["schemas"][KINDS[path]])
    assert api.get(made.headers["location"]).json() == made.json()
    return dict(made.json())


def new(path: str, **members: Any) -> dict[str, Any]:
    if path == DATA:
        return {"refDataType": "SOURCE_SYSTEM", "refDataValue": "NEW", **members}
    if path == SCHEMAS:
        return {"documentName": "NEWDOC", "schema": LETTER, **members}
    if path == QUOTAS:
        amounts = {"mostOpenRequests": 10, "mostRequestsAnHour": 100, "mostBytesAnHour": 1000}
        return {"sourceSystem": "NEW", **amounts, **members}
    return {"footerId": "3", "appDocSpec": "NEWDOC", "code": "SIGNEE_1", "value": "x", **members}


def dates(api: httpx.Client, path: str, row: dict[str, Any]) -> tuple[str, str]:
    now = api.get(f"{path}/{row['id']}").json()
    return now["effectFromDat"], now["effectToDat"]


def values_on(api: httpx.Client, day: str | None) -> set[str]:
    found = api.get(f"{DATA}/type/SOURCE_SYSTEM", params={"on": day} if day else {})
    assert found.status_code == 200
    return {row["refDataValue"] for row in found.json()}


def test_the_sample_data_is_there(api: httpx.Client) -> None:
    for ref_data_type, sample in CONTRACT["x-sample-data"].items():
        rows = api.get(f"{DATA}/type/{ref_data_type}").json()
        assert {row["refDataValue"] for row in rows} == set(sample)
        for row in rows:
            jsonschema.validate(row, CONTRACT["components"]["schemas"]["ReferenceData"])


def test_a_new_row_is_in_force_from_today_without_an_end(api: httpx.Client) -> None:
    for path in KINDS:
        assert dates(api, path, make(api, path)) == (day(0), NO_END)
    assert "NEW" in values_on(api, None)


def test_a_row_counts_from_its_first_day_up_to_not_including_its_last(api: httpx.Client) -> None:
    make(api, effectFromDat="2030-03-01", effectToDat="2030-03-03")
    on = ["2030-02-28", "2030-03-01", "2030-03-02", "2030-03-03"]
    assert ["NEW" in values_on(api, day) for day in on] == [False, True, True, False]


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize(
    ("older", "newer", "older_then"),
    [
        pytest.param((-10, None), (0, None), (-10, 0), id="in force: ends where the new one begins"),
        pytest.param((-10, None), (5, 9), (-10, 5), id="ends there too where the new one is for a while"),
        pytest.param((-10, 5), (2, None), (-10, 2), id="would have ended anyway"),
        pytest.param((0, None), (0, None), (0, 0), id="begins on the same day: was never in force"),
        pytest.param((-10, 0), (0, None), (-10, 0), id="over already: not touched"),
        pytest.param((-10, None), (-5, None), (-10, -5), id="backdated"),
        pytest.param((5, None), (0, 5), (5, None), id="one after the other: not touched"),
        pytest.param((5, None), (0, None), None, id="begins later: cannot be resolved"),
        pytest.param((-10, None), (-20, 0), None, id="backdated before the other: cannot be resolved"),
        pytest.param((0, 0), (0, None), (0, 0), id="never in force: not in the way"),
    ],
)
def test_a_new_row_and_an_older_one(
    api: httpx.Client, path: str, older: tuple[int, int | None], newer: tuple[int, int | None], older_then: Any
) -> None:
    def span(offsets: tuple[int, int | None]) -> dict[str, str]:
        return dict(zip(("effectFromDat", "effectToDat"), texts(offsets), strict=True))

    def texts(offsets: tuple[int, int | None]) -> tuple[str, str]:
        return day(offsets[0]), NO_END if offsets[1] is None else day(offsets[1])

    first = make(api, path, **span(older))
    answer = api.post(path, json=new(path, **span(newer)))
    if older_then is None:
        assert f"row {first['id']}" in assert_is_a_problem(answer, 409)
        assert dates(api, path, first) == texts(older)
    else:
        assert answer.status_code == 201
        assert dates(api, path, first) == texts(older_then)
        assert dates(api, path, answer.json()) == texts(newer)


def test_only_the_row_it_overlaps_is_ended(api: httpx.Client) -> None:
    past = make(api, effectFromDat=day(-20), effectToDat=day(-10))
    now = make(api, effectFromDat=day(-10))
    other = make(api, refDataValue="OTHER", effectFromDat=day(-10))
    make(api, effectFromDat=day(0))
    assert dates(api, DATA, past) == (day(-20), day(-10))
    assert dates(api, DATA, now) == (day(-10), day(0))
    assert dates(api, DATA, other) == (day(-10), NO_END)


def test_a_row_that_is_not_editable_is_never_ended_or_changed(api: httpx.Client) -> None:
    fixed = make(api, editable=False, effectFromDat=day(-10))
    later = new(DATA, effectFromDat=day(5))
    assert "not editable" in assert_is_a_problem(api.post(DATA, json=later), 409)
    assert_is_a_problem(api.put(f"{DATA}/{fixed['id']}", json=new(DATA, editable=True)), 409)
    assert_is_a_problem(api.delete(f"{DATA}/{fixed['id']}"), 409)
    assert dates(api, DATA, fixed) == (day(-10), NO_END)


def test_of_many_who_write_one_value_at_once_one_row_stays_in_force(api: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: api.post(DATA, json=new(DATA)), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len([row for row in api.get(f"{DATA}/type/SOURCE_SYSTEM").json() if row["refDataValue"] == "NEW"]) == 1


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize(
    ("before", "after"),
    [((-10, None), (-10, 0)), ((0, None), (0, 0)), ((-10, -5), (-10, -5)), ((5, None), (5, 5)), ((-10, 5), (-10, 0))],
)
def test_delete_ends_a_row_today(
    api: httpx.Client, path: str, before: tuple[int, int | None], after: tuple[int, int]
) -> None:
    to = NO_END if before[1] is None else day(before[1])
    row = make(api, path, effectFromDat=day(before[0]), effectToDat=to)
    for _ in range(2):
        assert api.delete(f"{path}/{row['id']}").status_code == 204
        assert dates(api, path, row) == (day(after[0]), day(after[1]))


def test_a_deleted_value_no_longer_counts_but_did_yesterday(api: httpx.Client) -> None:
    row = make(api, effectFromDat=day(-10))
    api.delete(f"{DATA}/{row['id']}")
    assert "NEW" not in values_on(api, None)
    assert "NEW" in values_on(api, day(-1))


def test_put_changes_what_it_says_and_leaves_the_rest(api: httpx.Client) -> None:
    row = make(api, description="old", effectFromDat=day(-10), effectToDat=day(10))
    changed = api.put(f"{DATA}/{row['id']}", json=new(DATA, refDataValue="RENAMED")).json()
    assert changed == {**row, "refDataValue": "RENAMED"}
    changed = api.put(f"{DATA}/{row['id']}", json={**changed, "description": "", "effectToDat": day(3)}).json()
    assert changed == {**row, "refDataValue": "RENAMED", "description": "", "effectToDat": day(3)}
    assert api.get(f"{DATA}/{row['id']}").json() == changed


def test_put_on_a_configuration(api: httpx.Client) -> None:
    row = make(api, CONFIGURATIONS)
    changed = api.put(f"{CONFIGURATIONS}/{row['id']}", json=new(CONFIGURATIONS, value="y")).json()
    assert changed == {**row, "value": "y"}


@pytest.mark.parametrize("path", KINDS)
def test_a_new_row_that_would_end_before_today_needs_a_day_to_begin(api: httpx.Client, path: str) -> None:
    assert_is_a_problem(api.post(path, json=new(path, effectToDat=day(-1))), 422)


def test_put_refuses_what_would_overlap_or_end_before_it_begins(api: httpx.Client) -> None:
    first = make(api, effectFromDat=day(-10), effectToDat=day(-5))
    second = make(api, effectFromDat=day(-5))
    overlapping = new(DATA, effectFromDat=day(-7))
    assert_is_a_problem(api.put(f"{DATA}/{second['id']}", json=overlapping), 409)
    assert_is_a_problem(api.put(f"{DATA}/{first['id']}", json=new(DATA, effectFromDat=day(-4))), 422)
    assert dates(api, DATA, first) == (day(-10), day(-5))
    assert dates(api, DATA, second) == (day(-5), NO_END)


SPECIFICITY = [("7", "NEWDOC"), ("7", "NE"), ("7", "*"), ("0", "NEWDOC"), ("0", "NE"), ("0", "*")]  # best first


@pytest.mark.parametrize("best", range(len(SPECIFICITY)))
def test_the_most_specific_configuration_wins(api: httpx.Client, best: int) -> None:
    """With everything less specific than the best in force, and what does not apply beside it."""
    for footer, spec in [*SPECIFICITY[best:], ("8", "NEWDOC"), ("7", "NEW"), ("7", "N"), ("7", "newdoc"), ("7", "OT")]:
        make(api, CONFIGURATIONS, footerId=footer, appDocSpec=spec, code="TEST", value=f"{footer} {spec}")
    found = api.get(f"{CONFIGURATIONS}/search", params={"documentName": "NEWDOC", "footerId": "7", "code": "TEST"})
    assert [row["value"] for row in found.json()] == [" ".join(SPECIFICITY[best])]
    jsonschema.validate(found.json()[0], CONTRACT["components"]["schemas"]["DocumentConfiguration"])


def test_a_search_answers_one_row_a_code_and_the_default_footer_where_none_is_asked(api: httpx.Client) -> None:
    make(api, CONFIGURATIONS, footerId="0", appDocSpec="PO", code="TEST", value="po")
    make(api, CONFIGURATIONS, footerId="2", appDocSpec="PO", code="TEST", value="po of 2")

    def search(**asked: str) -> dict[str, str]:
        rows = api.get(f"{CONFIGURATIONS}/search", params={"documentName": "POSHOOFF", **asked}).json()
        assert len({row["code"] for row in rows}) == len(rows)
        return {row["code"]: row["value"] for row in rows}

    assert search() == {
        "BATCH_CONFIG_ID": "1110",
        "SIGNEE_1": "Head of Underwriting",
        "SIGNEE_2": "Head of Finance",
        "TEST": "po",
    }
    assert search() == search(footerId="0") == search(footerId="1")
    assert search(footerId="2")["SIGNEE_1"] == "Country Manager"
    assert search(footerId="2")["TEST"] == "po of 2"
    assert search(code="SIGNEE_2") == {"SIGNEE_2": "Head of Finance"}
    assert search(code="NONE_SUCH") == {}


def test_a_search_sees_only_what_is_in_force(api: httpx.Client) -> None:
    spec = {"code": "TEST", "appDocSpec": "NEWDOC", "footerId": "0"}
    make(api, CONFIGURATIONS, **{**spec, "appDocSpec": "*"}, value="for all", effectFromDat="2020-01-01")
    make(api, CONFIGURATIONS, **spec, value="special", effectFromDat="2030-03-01", effectToDat="2030-03-02")

    def on(day: str) -> list[str]:
        asked = {"documentName": "NEWDOC", "code": "TEST", "on": day}
        return [row["value"] for row in api.get(f"{CONFIGURATIONS}/search", params=asked).json()]

    assert on("2019-12-31") == []
    assert on("2030-02-28") == on("2030-03-02") == ["for all"]
    assert on("2030-03-01") == ["special"]


def test_all_configurations_are_listed_those_that_are_over_included(api: httpx.Client) -> None:
    row = make(api, CONFIGURATIONS)
    api.delete(f"{CONFIGURATIONS}/{row['id']}")
    assert row["id"] in {listed["id"] for listed in api.get(CONFIGURATIONS).json()}


SEARCH = f"{CONFIGURATIONS}/search?documentName=POSHOOFF"


@pytest.mark.parametrize(
    "path",
    [
        f"{DATA}/type/FOOTER_ID",
        f"{DATA}/1",
        CONFIGURATIONS,
        f"{CONFIGURATIONS}/1",
        SEARCH,
        SCHEMAS,
        f"{SCHEMAS}/search?documentName=X",
    ],
)
def test_reads_can_be_cached_and_asked_about_again(api: httpx.Client, path: str) -> None:
    first = api.get(path)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    assert first.headers["cache-control"] == "max-age=30"
    for known in (tag, f'"other", W/{tag}', "*"):
        again = api.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_tag_changes_with_the_content_alone(api: httpx.Client) -> None:
    path = f"{DATA}/type/SOURCE_SYSTEM"
    before = api.get(path).headers["etag"]
    assert api.get(path).headers["etag"] == before
    make(api)
    assert api.get(path, headers={"If-None-Match": before}).status_code == 200


IDS = ["0", "-1", "x", "1.5", "999999", str(2**63 - 1), str(2**63), "9" * 5000, "%C2%B2", "%00", "1%27--"]


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("row_id", IDS)
def test_a_row_that_is_not_there(api: httpx.Client, path: str, row_id: str) -> None:
    assert_is_a_problem(api.get(f"{path}/{row_id}"), 404)
    assert_is_a_problem(api.put(f"{path}/{row_id}", json=new(path)), 404)
    assert_is_a_problem(api.delete(f"{path}/{row_id}"), 404)


BAD_DATES = [
    "",
    "2024-02-30",
    "2024-1-1",
    "20240101",
    "0000-01-01",
    "2024-01-01T00:00:00",
    "today",
    "2024-01-01\x00",
    "٢٠٢٤-٠١-٠١",
]


@pytest.mark.parametrize("bad", [*BAD_DATES, 20240101, 1.5, True, []])
def test_bad_dates(api: httpx.Client, bad: Any) -> None:
    for path in KINDS:
        for member in ("effectFromDat", "effectToDat"):
            assert member in assert_is_a_problem(api.post(path, json=new(path, **{member: bad})), 422)
    if isinstance(bad, str):
        assert_is_a_problem(api.get(f"{DATA}/type/FOOTER_ID", params={"on": bad}), 422)
        asked = {"documentName": "X", "on": bad}
        assert_is_a_problem(api.get(f"{CONFIGURATIONS}/search", params=asked), 422)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (DATA, {"refDataType": "COLOUR"}),
        (DATA, {"refDataType": None}),
        (DATA, {"effectToDat": None}),
        (DATA, {"refDataValue": ""}),
        (DATA, {"refDataValue": "x" * 101}),
        (DATA, {"refDataValue": "a\x00b"}),
        (DATA, {"refDataValue": "a\nb"}),
        (DATA, {"refDataValue": 1}),
        (DATA, {"description": "a\x00b"}),
        (DATA, {"editable": "yes"}),
        (DATA, {"effectFromDat": "2030-01-02", "effectToDat": "2030-01-01"}),
        (CONFIGURATIONS, {"footerId": 2}),
        (CONFIGURATIONS, {"footerId": "x" * 101}),
        (CONFIGURATIONS, {"appDocSpec": ""}),
        (CONFIGURATIONS, {"code": "a\x00"}),
        (CONFIGURATIONS, {"value": "x" * 4001}),
        (CONFIGURATIONS, {"value": "a\x00b"}),
        (CONFIGURATIONS, {"value": None}),
        (QUOTAS, {"sourceSystem": "a\nb"}),
        (QUOTAS, {"mostOpenRequests": 0}),
        (QUOTAS, {"mostRequestsAnHour": -1}),
        (QUOTAS, {"mostBytesAnHour": 10**16}),
        (QUOTAS, {"mostBytesAnHour": "5"}),
        (QUOTAS, {"mostBytesAnHour": 1.5}),
        (QUOTAS, {"mostBytesAnHour": None}),
        (SCHEMAS, {"documentName": ""}),
        (SCHEMAS, {"mode": "ignore"}),
        (SCHEMAS, {"mode": None}),
        (SCHEMAS, {"schema": None}),
        (SCHEMAS, {"schema": True}),
        (SCHEMAS, {"schema": "{}"}),
    ],
)
def test_bad_rows_are_refused_with_the_place(api: httpx.Client, path: str, wrong: dict[str, Any]) -> None:
    made = make(api, path)
    for answer in (api.post(path, json=new(path, **wrong)), api.put(f"{path}/{made['id']}", json=new(path, **wrong))):
        assert_is_a_problem(answer, 422)
        assert any(member in fault["at"] + fault["detail"] for fault in answer.json()["errors"] for member in wrong)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b'{"refDataType": "SOURCE_SYSTEM", "refDataValue": "\\ud800"}', 422),
        (b'{"refDataValue": "\xff"}', 400),
        (b"[" * 200_000, 400),
        (b'{"refDataValue": 1' + b"0" * 5000 + b"}", 422),
        (b" " * 1_048_577, 413),
    ],
)
def test_bad_bodies(api: httpx.Client, body: bytes, status: int) -> None:
    answer = api.post(DATA, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert_is_a_problem(answer, answer.status_code if status == 422 else status)


@pytest.mark.parametrize("query", ["", "documentName=", "documentName=%00", "documentName=A&code=%00",
                                   "documentName=A&footerId=" + "x" * 101])  # fmt: skip
def test_bad_searches(api: httpx.Client, query: str) -> None:
    assert_is_a_problem(api.get(f"{CONFIGURATIONS}/search?{query}"), 422)


def test_names_are_bound_never_formatted_in(api: httpx.Client) -> None:
    hostile = "'; DROP TABLE reference_data; -- %s %(x)s"
    assert make(api, refDataValue=hostile)["refDataValue"] == hostile
    assert api.get(f"{CONFIGURATIONS}/search", params={"documentName": hostile}).status_code == 200


def test_what_is_no_route_is_a_problem_too(api: httpx.Client) -> None:
    assert_is_a_problem(api.get("/nothing"), 404)
    assert_is_a_problem(api.get(f"{DATA}/type/COLOUR"), 404)
    assert_is_a_problem(api.patch(f"{DATA}/1"), 405)
    assert_is_a_problem(api.delete(DATA), 405)


def test_probes(api: httpx.Client) -> None:
    assert api.get("/healthz").status_code == 200
    assert api.get("/readyz").status_code == 200


def test_a_database_that_does_not_answer_in_time_is_503(service: tuple[httpx.Client, str]) -> None:
    client, url = service
    with psycopg.connect(url) as blocker:
        blocker.execute("LOCK TABLE reference_data IN ACCESS EXCLUSIVE MODE")
        answer = client.get(f"{DATA}/1")
        assert_is_a_problem(answer, 503)
        assert answer.headers["retry-after"] == "5"
    assert client.get(f"{DATA}/1").status_code == 200


def test_a_database_that_is_away_is_503_until_it_is_back(postgres_url: str, oms_database_url: str) -> None:
    with (
        running("include.services.reference_data", "OMS_REFERENCE_DATA_PORT", OMS_DATABASE_URL=oms_database_url) as it,
        httpx.Client(base_url=it.url, timeout=20) as client,
        psycopg.connect(postgres_url, autocommit=True) as server,
    ):
        name = oms_database_url.partition("?")[0].rpartition("/")[2]
        eventually(lambda: client.get("/readyz").status_code == 200)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        for path in ("/readyz", f"{DATA}/1", f"{DATA}/type/FOOTER_ID"):
            answer = client.get(path)
            assert_is_a_problem(answer, 503)
            assert answer.headers["retry-after"] == "5"
        assert client.get("/healthz").status_code == 200
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        eventually(lambda: client.get(f"{DATA}/1").status_code == 200)


def test_it_starts_without_a_database_and_ends_in_order() -> None:
    nowhere = "postgresql://oms:oms@127.0.0.1:9/oms"
    with running("include.services.reference_data", "OMS_REFERENCE_DATA_PORT", OMS_DATABASE_URL=nowhere) as it:
        assert_is_a_problem(httpx.get(it.url + "/readyz"), 503)
        assert it.stop() == 0


@pytest.mark.parametrize("path", KINDS)
def test_a_change_with_if_match_is_made_only_to_the_row_that_was_read(api: httpx.Client, path: str) -> None:
    row = make(api, path)
    where = f"{path}/{row['id']}"
    tag = {"If-Match": api.get(where).headers["etag"]}
    assert api.put(where, json={**row, "effectToDat": day(9)}, headers=tag).status_code == 200
    assert_is_a_problem(api.put(where, json={**row, "effectToDat": day(5)}, headers=tag), 412)
    assert_is_a_problem(api.delete(where, headers=tag), 412)
    assert dates(api, path, row) == (day(0), day(9))
    assert api.delete(where, headers={"If-Match": "*"}).status_code == 204


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Basic dTpw", 401), ("Bearer", 401), ("Bearer x.y.z", 401), ("documents:write", 403)],
)
def test_who_writes_needs_a_token_with_the_scope(
    api: httpx.Client, tmp_path_factory: pytest.TempPathFactory, path: str, authorization: str, status: int
) -> None:
    row = make(api, path)
    if status == 403:
        key = next(tmp_path_factory.getbasetemp().glob("keys*/jwt-private.pem"))
        authorization = f"Bearer {make_token(key, source_system='CIBT', scopes=[authorization])}"
    with httpx.Client(base_url=api.base_url, headers={"Authorization": authorization}) as other:
        answers = [
            other.post(path, json=new(path)),
            other.put(f"{path}/{row['id']}", json=new(path)),
            other.delete(f"{path}/{row['id']}"),
        ]
        assert other.get(f"{path}/{row['id']}").json() == row  # reading needs none
    for answer in answers:
        assert_is_a_problem(answer, status)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="oms-reference-data"')


def test_without_a_key_nobody_writes_and_everybody_reads(service: tuple[httpx.Client, str]) -> None:
    settings = {"OMS_DATABASE_URL": service[1]}
    with (
        running("include.services.reference_data", "OMS_REFERENCE_DATA_PORT", **settings) as other,
        httpx.Client(base_url=other.url) as client,
    ):
        assert client.get(f"{DATA}/type/SOURCE_SYSTEM").status_code == 200
        answer = client.post(DATA, json=new(DATA))
        assert "OMS_JWT_JWKS_URL" in assert_is_a_problem(answer, 503)
        assert answer.headers["retry-after"]


LETTER = {"type": "object", "required": ["born"], "properties": {"born": {"type": "string", "format": "date"}}}


def test_the_schema_of_a_document_in_force_is_found_by_its_name_as_it_was_written(api: httpx.Client) -> None:
    schema = {"required": ["b", "a"], "properties": {"b": {"minimum": 0.10}, "a": {"pattern": r"^\p{L}+$"}}}
    row = make(api, SCHEMAS, schema=schema, mode="warn", effectFromDat=day(-3), effectToDat=day(3))
    assert list(row["schema"]) == ["required", "properties"]

    def on(day: str) -> list[Any]:
        return list(api.get(f"{SCHEMAS}/search", params={"documentName": "NEWDOC", "on": day}).json())

    assert on(day(-3)) == on(day(2)) == [row]
    assert on(day(-4)) == on(day(3)) == []
    assert api.get(f"{SCHEMAS}/search", params={"documentName": "OTHER"}).json() == []


def test_all_schemas_are_listed_with_their_size_and_without_themselves(api: httpx.Client) -> None:
    row = make(api, SCHEMAS)
    api.delete(f"{SCHEMAS}/{row['id']}")
    listed = [it for it in api.get(SCHEMAS).json() if it["id"] == row["id"]]
    shown = {name: value for name, value in row.items() if name != "schema"}
    assert listed == [shown | {"effectToDat": day(0), "sizeBytes": len(json.dumps(LETTER, separators=(",", ":")))}]
    jsonschema.validate(listed[0], CONTRACT["components"]["schemas"]["ListedDocumentSchema"])


def test_put_on_a_schema(api: httpx.Client) -> None:
    row = make(api, SCHEMAS)
    changed = api.put(f"{SCHEMAS}/{row['id']}", json=new(SCHEMAS, mode="warn", schema={"minProperties": 1})).json()
    assert changed == {**row, "mode": "warn", "schema": {"minProperties": 1}}


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"properties": {"a/b": {"pattern": "(?=a)b"}}}, "/schema/properties/a~1b/pattern"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/secret"}}}, "/schema/properties/a/$ref"),
        ({"$ref": "#"}, "/schema/$ref"),
        ({"properties": {"a": {"type": "strng"}}}, "/schema/properties/a/type"),
        ({"description": "x" * 1_000_000}, "/schema"),
        ({"enum": ["a\0b"]}, "/schema/enum/0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_schema_that_cannot_be_compiled_is_refused_with_its_place(
    api: httpx.Client, schema: dict[str, Any], place: str
) -> None:
    row = make(api, SCHEMAS)
    for answer in (
        api.post(SCHEMAS, json=new(SCHEMAS, schema=schema)),
        api.put(f"{SCHEMAS}/{row['id']}", json=new(SCHEMAS, schema=schema)),
    ):
        assert place in assert_is_a_problem(answer, 422)
        assert [(fault["at"], fault["pointer"]) for fault in answer.json()["errors"]] == [("body.schema", place)]
    assert api.get(f"{SCHEMAS}/{row['id']}").json() == row


@pytest.mark.parametrize(
    ("schema", "status"), [(b"NaN", 422), (b"1e999", 422), (b'{"maximum": 1e999}', 422), (b'{"maximum": NaN}', 422),
                           (b'{"enum": ["\\ud800"]}', 422), (b'{"not":' * 50_000, 422), (b"true", 422),
                           (b'{"maximum": ' + b"9" * 5000 + b"}", 422)], ids=str,
)  # fmt: skip
def test_a_schema_of_hostile_text_is_refused(api: httpx.Client, schema: bytes, status: int) -> None:
    body = b'{"documentName": "NEWDOC", "schema": ' + schema + b"}"
    answer = api.post(SCHEMAS, content=body, headers={"Content-Type": "application/json"})
    assert_is_a_problem(answer, answer.status_code)
    assert 400 <= answer.status_code < 500


def test_the_quotas_of_a_source_system_in_force_are_found_and_all_are_listed(api: httpx.Client) -> None:
    row = make(api, QUOTAS)
    assert api.get(f"{QUOTAS}/search", params={"sourceSystem": "NEW"}).json() == [row]
    assert api.get(f"{QUOTAS}/search", params={"sourceSystem": "OTHER"}).json() == []
    assert row in api.get(QUOTAS).json()
