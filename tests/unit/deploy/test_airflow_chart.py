"""Our values for Airflow's official chart: keys that its schema knows, and nothing that our image does not have."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from tests.unit.deploy.airflow_chart import ANYTHING, LIST, VALUES, levels

TEXT = VALUES.read_text()
OURS: dict[str, Any] = yaml.safe_load(TEXT)
KNOWN: dict[str, Any] = yaml.safe_load(LIST.read_text())
TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", type(None): "null"}
# The parts as chart and compose file call them.
PARTS = {"scheduler": "airflow-scheduler", "triggerer": "airflow-triggerer", "dagProcessor": "airflow-dag-processor",
         "apiServer": "airflow-api-server", "workers.celery": "airflow-worker"}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "found"), list(levels(OURS)), ids=lambda it: it or "top" if isinstance(it, str) else ""
)
def test_the_chart_knows_every_key(path: str, found: dict[str, Any]) -> None:
    above = [path.rsplit(".", number)[0] for number in range(path.count(".") + 1)]
    if ANYTHING in [KNOWN.get(it) for it in above]:
        return  # Airflow's own options (test_helm.py), or a type of Kubernetes' own
    known = KNOWN[path]
    for key, value in found.items():
        assert {ANYTHING, TYPES[type(value)]} & set(known.get(key, "").split("|")), f"{path}.{key}"


def test_each_part_reaches_the_oms_database_with_its_own_role() -> None:
    """Not by `secret`, which all parts get: Kubernetes would have the variable twice in one container."""
    keys = {}
    for part in PARTS:
        [variable] = _part(part)["env"]
        assert variable["name"] == "AIRFLOW_CONN_OMS_DB"
        keys[part] = variable["valueFrom"]["secretKeyRef"]["key"]
    assert keys == dict.fromkeys(PARTS, "oms-db") | {"apiServer": "oms-db-console"}
    assert "AIRFLOW_CONN_OMS_DB" not in [it["envName"] for it in OURS["secret"]]


def test_the_list_is_of_the_version_that_is_installed() -> None:
    [installed] = set(re.findall(r"--version (\S+)", TEXT))
    assert f" {installed}." in LIST.read_text().splitlines()[0]


def test_airflow_is_the_version_that_is_pinned() -> None:
    assert OURS["airflowVersion"] == version("apache-airflow")


def test_no_container_calls_a_script_that_our_image_lacks() -> None:
    """The defaults are for the image apache/airflow: the probes call /entrypoint, the log groomer /clean-logs."""
    for part in PARTS.keys() - {"apiServer"}:  # asked over HTTP, and without a groomer
        it = _part(part)
        probes = [it["livenessProbe"], *filter(None, [it.get("startupProbe")])]
        assert all(probe["command"][0] in ("airflow", "sh") for probe in probes), part
        assert it["logGroomerSidecar"] == {"enabled": False}, part
    assert "startupProbe" in OURS["scheduler"]  # the chart gives it one


@pytest.mark.parametrize("part", PARTS)
def test_limits_and_grace_periods_are_those_of_the_compose_file(part: str, compose: dict[str, Any]) -> None:
    it, service = _part(part), compose["services"][PARTS[part]]
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", it["resources"]["limits"]["memory"]).groups()  # type: ignore[union-attr]
    assert int(number) * {"Mi": 2**20, "Gi": 2**30}[unit] == int(service["mem_limit"])
    if part != "apiServer":  # the chart has no key for it; Kubernetes gives 30 s, and it takes 14
        minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", service["stop_grace_period"]).groups()  # type: ignore[union-attr]
        assert it["terminationGracePeriodSeconds"] == 60 * int(minutes or 0) + int(seconds or 0)


def _part(path: str) -> dict[str, Any]:
    found = OURS
    for name in path.split("."):
        found = found[name]
    return found
