"""Airflow's configuration: every key is one that this version of Airflow knows."""

from __future__ import annotations

from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from include.local.airflow import airflow_home, configuration, dag_ids, write_airflow_home
from include.local.airflow_api import JOBS
from include.local.secrets import Secrets
from include.local.settings import LocalSettings


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Airflow's own list of sections and options, read without importing Airflow."""
    spec = find_spec("airflow.config_templates")
    assert spec is not None
    assert spec.origin is not None
    sections = yaml.load((Path(spec.origin).parent / "config.yml").read_text(), yaml.CSafeLoader)
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


def test_both_jobs_are_among_the_dags() -> None:
    assert set(JOBS) <= set(dag_ids())
