"""Airflow's configuration: every key is one that this version of Airflow knows."""

from __future__ import annotations

from collections.abc import Iterator
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from include.local.airflow import airflow_home, configuration, files_with_dags, write_airflow_home
from include.local.airflow_api import JOBS, AirflowApi
from include.local.console import show_complaints
from include.local.part import LocalError, NotReady
from include.local.secrets import Secrets
from include.local.settings import LocalSettings
from include.local.system import System


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Airflow's own list of sections and options, read without importing Airflow."""
    spec = find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    sections = yaml.load((Path(spec.origin).parent / "config_templates" / "config.yml").read_text(), yaml.CSafeLoader)
    return {name: set(section["options"]) for name, section in sections.items()}


def test_every_option_is_known(local_settings: LocalSettings, secrets: Secrets, known: dict[str, set[str]]) -> None:
    ours = {(section, key) for section, keys in configuration(local_settings, secrets).items() for key in keys}
    assert {(section, key) for section, key in ours if key not in known.get(section, set())} == set()


def test_the_file_says_what_was_meant(local_settings: LocalSettings, secrets: Secrets) -> None:
    write_airflow_home(local_settings, secrets)
    file = airflow_home(local_settings) / "airflow.cfg"
    parser = ConfigParser()
    parser.read(file)
    assert {name: dict(parser[name]) for name in parser.sections()} == configuration(local_settings, secrets)
    assert file.stat().st_mode & 0o077 == 0


def test_both_jobs_are_among_the_files() -> None:
    assert {f"{job}.py" for job in JOBS} <= files_with_dags()


def test_a_helper_module_is_no_file_with_a_dag(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text('"""Builds a DAG."""\n\ndef build():\n    return DAG("x")\n')
    (tmp_path / "two.py").write_text('with DAG("a"):\n    pass\nwith DAG("b"):\n    pass\n')
    (tmp_path / "kit.py").write_text('item_job("kit")\n')
    assert files_with_dags(tmp_path) == {"two.py", "kit.py"}


@pytest.fixture
def airflow_knows(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What Airflow's API answers, for a test to fill in."""
    known: dict[str, Any] = {"dags": [], "import_errors": []}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        return httpx.Response(200, json=known)

    client, post = httpx.Client, httpx.post
    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "Client", lambda **kwargs: client(**kwargs, transport=transport))
    monkeypatch.setattr(httpx, "post", lambda url, **_: client(transport=transport).post(url))
    yield known
    monkeypatch.setattr(httpx, "post", post)


def dag_of(dag_id: str, file: str | None = None) -> dict[str, Any]:
    return {"dag_id": dag_id, "relative_fileloc": file or f"{dag_id}.py", "is_paused": False}


def test_a_file_that_makes_no_dag_does_not_keep_the_system_from_its_start(
    local_settings: LocalSettings, secrets: Secrets, airflow_knows: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, files = AirflowApi(local_settings, secrets), {"two.py", "odd.py", *(f"{job}.py" for job in JOBS)}
    with pytest.raises(NotReady, match=r"document_monitoring.py, document_processing.py, odd.py, two.py"):
        api.check_dags(files)
    airflow_knows["dags"] = [dag_of("a", "two.py"), dag_of("b", "two.py"), *map(dag_of, JOBS)]
    with pytest.raises(NotReady, match=r"yet: odd\.py$"):
        api.check_dags(files)
    monkeypatch.setattr("include.local.airflow_api.READ_SECONDS", 0)
    api.check_dags(files)
    assert api.complaints(files) == ["odd.py makes no DAG: call the function under @dag"]


def test_a_file_that_cannot_be_read_is_told_of(
    local_settings: LocalSettings, secrets: Secrets, airflow_knows: dict[str, Any]
) -> None:
    airflow_knows["dags"] = [dag_of(job) for job in JOBS]
    airflow_knows["import_errors"] = [{"filename": "odd.py", "stack_trace": "Traceback\nSyntaxError: invalid syntax\n"}]
    api = AirflowApi(local_settings, secrets)
    api.check_dags({"odd.py"})
    assert api.complaints({"odd.py"}) == ["odd.py cannot be read: SyntaxError: invalid syntax"]


def test_an_airflow_that_is_too_busy_to_answer_ends_nothing(
    local_settings: LocalSettings, secrets: Secrets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_late(url: str, **_: Any) -> None:
        raise httpx.ReadTimeout("timed out", request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", too_late)
    show_complaints(System(local_settings))
    assert "does not say what it has read: timed out" in capsys.readouterr().out
    with pytest.raises(LocalError, match="does not do that: timed out"):
        AirflowApi(local_settings, secrets).set_paused(JOBS, True)
    with pytest.raises(LocalError, match="does not say which DAGs it has"):
        AirflowApi(local_settings, secrets).dag_ids()
