"""The four roles at every door of the console: a real API server under the FAB auth manager, with real logins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from include.jobs.testing import database_connection
from include.oms.testing.kafka import free_port
from include.oms.testing.postgres import ROOT, create_database, database_url
from tests.integration.console.conftest import JSON
from tests.integration.console.test_rights import READS

ROLES = ("viewer", "operator", "engineer", "administrator")
PASSWORD = "for this test alone"
MAKE_USERS = f"""
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from include.roles.__main__ import apply
@providers_configuration_loaded
def make():
    with get_application_builder() as builder:
        for name in {ROLES}:
            role = builder.sm.find_role(name)
            assert builder.sm.add_user(name, name, name, name + "@oms.test", role, "{PASSWORD}")
first, again = apply(), apply()
assert first and not again, again
make()
"""

READ, ACT, EDIT = ROLES, ROLES[1:], ROLES[2:]
ANSWERS = {200, 400, 401, 403, 404, 422, 502}  # 502: the Reference Data API is not there
DOORS = [
    *(("GET", path, READ) for path in READS),
    ("GET", "reference/document-configurations", READ),
    ("POST", "retriggers", ACT),
    ("POST", "retry-now", ACT),
    ("POST", "cancellations", ACT),
    ("POST", "requests/1/looks", ACT),
    ("GET", "requests?metadata=POLICY_NUMBER:1", ACT),
    ("PATCH", "systems/THUNDERHEAD", ACT),
    ("POST", "systems/THUNDERHEAD", ACT),
    ("POST", "resolutions", ACT),
    ("POST", "reopenings", ACT),
    ("POST", "holds", ACT),
    ("DELETE", "holds/1", ACT),
    ("DELETE", "systems/THUNDERHEAD?document_type=X", ACT),
    ("POST", "reference/document-configurations", EDIT),
    ("PUT", "reference/document-configurations/1", EDIT),
    ("DELETE", "reference/document-configurations/1", EDIT),
]
AIRFLOWS_OWN = [  # what the file of roles says of Airflow itself
    ("GET", "dags", READ),
    ("PATCH", "dags/document_processing", ACT),
    ("POST", "dags/document_processing/clearTaskInstances", ACT),
    ("POST", "dags/document_retrigger/dagRuns", ACT),
    ("GET", "eventLogs", ACT),
    ("POST", "variables", EDIT),
    ("POST", "pools", EDIT),
    ("GET", "connections", ROLES[3:]),
    ("POST", "connections", ROLES[3:]),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the API server; ``log.txt`` is its log."""
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="module")
def airflow_url(postgres_url: str, template_database: str, home: Path) -> Iterator[str]:
    """An API server with the console, and a user for each role."""
    port = free_port()
    for name, template in (("airflow_roles", "template1"), ("oms_roles", template_database)):
        create_database(postgres_url, name, template=template)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "OMS_"))},
        "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"), "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url(postgres_url, "airflow_roles").replace(
            "postgresql://", "postgresql+psycopg2://"
        ),
        "AIRFLOW_CONN_OMS_DB": json.dumps(database_connection(database_url(postgres_url, "oms_roles"))),
        "AIRFLOW_CONN_REFERENCE_DATA_API": f"http://127.0.0.1:{free_port()}",  # nobody
    }  # fmt: skip
    for command in (["-m", "airflow", "db", "migrate"], ["-c", MAKE_USERS]):
        subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True, capture_output=True)
    command = [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1", "--port", str(port)]
    log = home / "log.txt"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            yield _ready(f"http://127.0.0.1:{port}", log)
        finally:
            server.kill()  # it has nothing to finish
            server.wait(10)


def _ready(url: str, log: Path) -> str:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/api/v2/monitor/health", trust_env=False).status_code == 200:
                return url
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(log.read_text("utf-8", "replace"))


@pytest.fixture(scope="module")
def sessions(airflow_url: str) -> dict[str, dict[str, str]]:
    """What a browser of each role sends; "" is nobody."""
    headers = {"": {}}
    for name in ROLES:
        login = {"username": name, "password": PASSWORD}
        answer = httpx.post(f"{airflow_url}/auth/token", json=login, trust_env=False)
        assert answer.status_code == 201, answer.text
        headers[name] = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return headers


def knock(url: str, method: str, headers: dict[str, str]) -> int:
    """The status of an answer. The body makes no sense: whoever is let in is told so, and nothing is changed."""
    body = None if method == "GET" else b'{"no such": "field"}'
    return httpx.request(
        method, url, headers=JSON | headers, content=body, timeout=30, trust_env=False, follow_redirects=False
    ).status_code


def test_each_door_lets_in_whom_it_should(airflow_url: str, sessions: dict[str, dict[str, str]]) -> None:
    """One test, for one server: nobody 401, the wrong role 403, and behind the door an answer."""
    wrong = {}
    for base, doors in (("/oms/api", DOORS), ("/api/v2", AIRFLOWS_OWN)):
        for method, path, allowed in doors:
            said = {who: knock(f"{airflow_url}{base}/{path}", method, headers) for who, headers in sessions.items()}
            let_in = {who for who, status in said.items() if status not in (401, 403)}
            if let_in != set(allowed) or said[""] != 401 or not set(said.values()) <= ANSWERS:
                wrong[f"{method} {base}/{path}"] = said
    assert not wrong
    for who in ROLES:
        offered = httpx.get(f"{airflow_url}/oms/api/me", headers=sessions[who], trust_env=False).json()
        assert (offered["may"]["act"], offered["may"]["edit"]) == (who in ACT, who in EDIT), "what the pages offer"


def test_what_is_searched_by_is_in_no_log(airflow_url: str, sessions: dict[str, dict[str, str]], home: Path) -> None:
    """Airflow's access log has the query of every call. Of personal data, it gets the names alone."""
    marker, get = "JaneQMarker", {"headers": sessions["operator"], "trust_env": False}
    query = f"metadata=CUSTOMER_ID:{marker}&status=FAILED"
    for path in ("api/requests", "api/requests/total", "api/requests.csv", "search"):
        assert httpx.get(f"{airflow_url}/oms/{path}?{query}", **get).status_code == 200
    for path in (f"api/requests?error_text={marker}", f"api/find?q={marker}", f"search?error_text={marker}"):
        assert httpx.get(f"{airflow_url}/oms/{path}", **get).status_code == 200
    refused = {"headers": sessions["viewer"], "trust_env": False}
    assert httpx.get(f"{airflow_url}/oms/api/requests?{query}", **refused).status_code == 403
    deadline, log = time.monotonic() + 30, ""
    while log.count("metadata=%E2%80%A6&status=FAILED") < 5:  # a call is logged after it is answered
        assert time.monotonic() < deadline, "they are logged"
        log = (home / "log.txt").read_text("utf-8", "replace")
    assert marker not in log
