"""Kubernetes: our chart, rendered by Helm itself and held against Kubernetes' schemas; and Airflow's values."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
import yaml

from include.local.airflow import configuration
from include.local.secrets import Secrets
from include.local.settings import ROOT, LocalSettings
from tests.unit.deploy.settings import settings_by_variable
from tests.unit.deploy.test_airflow_settings import DIFFERENT

HELM = ROOT / "include" / "deploy" / "helm"
KUBERNETES = "1.29"  # the oldest that the chart says it is for
VALUES: dict[str, Any] = {
    "image": {"tag": "1.0", "registry": "registry.example/"},
    "secret": "oms-database",
    "settings": {"OMS_STATEMENT_TIMEOUT_SECONDS": 10},
    "intake": {
        "settings": {"OMS_JWT_JWKS_URL": "https://identity.example/jwks", "OMS_JWT_ISSUER": "https://a.example"}
    },
    "gateway": {"certificate": "oms-tls"},
}


@pytest.fixture(scope="module")
def chart() -> Any:
    if not find_spec("helm_python"):
        pytest.skip("the chart is not rendered: the package helm-python-sdk is for Linux on x86_64 here")
    from helm_python import Chart

    return Chart.load(HELM / "oms")


@pytest.fixture(scope="module")
def manifests(chart: Any) -> list[dict[str, Any]]:
    chart.validate_schema(VALUES)
    rendered = chart.render(VALUES, name="oms", namespace="oms")
    return [manifest for text in rendered.values() for manifest in yaml.safe_load_all(text) if manifest]


@pytest.fixture(scope="module")
def pods(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods' specifications, by the name of their one container."""
    specs = [it["spec"]["template"]["spec"] for it in manifests if it["kind"] in ("Deployment", "Job")]
    return {spec["containers"][0]["name"]: spec for spec in specs}


def test_kubernetes_takes_all_of_it(manifests: list[dict[str, Any]]) -> None:
    from kubernetes_validate import validate  # type: ignore[import-untyped]

    for manifest in manifests:
        validate(manifest, KUBERNETES, strict=True)
    assert len(manifests) == 17


def test_helm_has_nothing_against_the_chart(chart: Any) -> None:
    from helm_python import lint

    found = lint(HELM / "oms", VALUES)
    assert found["errors"] == []
    assert [it["error"] for it in found["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("missing", ["image", "secret", "intake", "gateway"])
def test_what_must_be_given_must_be_given(chart: Any, missing: str) -> None:
    from helm_python import HelmError

    with pytest.raises(HelmError, match=missing):
        chart.validate_schema({name: value for name, value in VALUES.items() if name != missing})


def test_no_pod_may_do_more_than_it_has_to(pods: dict[str, dict[str, Any]]) -> None:
    assert len(pods) == 4
    for name, pod in pods.items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert container["resources"]["limits"]["memory"], name


def test_every_pod_can_write_to_its_tmp_and_is_asked_once_it_is_up(pods: dict[str, dict[str, Any]]) -> None:
    for name, pod in pods.items():
        [container] = pod["containers"]
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}, name
        if name != "migrations":
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), name
            assert "preStop" in container["lifecycle"], name


def test_every_pod_has_a_network_policy_and_every_deployment_an_autoscaler(manifests: list[dict[str, Any]]) -> None:
    kinds: dict[str, set[str]] = {}
    for it in manifests:
        kinds.setdefault(it["kind"], set()).add(it["metadata"]["name"])
    assert kinds["NetworkPolicy"] == kinds["Deployment"] | kinds["Job"]
    assert kinds["HorizontalPodAutoscaler"] == kinds["PodDisruptionBudget"] == kinds["Deployment"]
    assert [it for it in manifests if it["kind"] == "Deployment" and "replicas" in it["spec"]] == []


def test_commands_are_those_of_the_compose_file(pods: dict[str, dict[str, Any]], compose: dict[str, Any]) -> None:
    for name, pod in pods.items():
        service = compose["services"]["oms-migrations" if name == "migrations" else name]
        assert pod["containers"][0].get("command") == service["command"], name


def test_every_variable_that_is_set_is_one_that_is_read(
    pods: dict[str, dict[str, Any]], compose: dict[str, Any]
) -> None:
    read = settings_by_variable().keys() | {
        key for it in compose["services"].values() for key in it.get("environment", {})
    }
    for pod in pods.values():
        assert {it["name"] for it in pod["containers"][0]["env"]} <= read


def test_each_part_reaches_the_oms_database_with_a_role_of_its_own(pods: dict[str, dict[str, Any]]) -> None:
    keys = {
        name: it["valueFrom"]["secretKeyRef"]["key"]
        for name, pod in pods.items()
        for it in pod["containers"][0].get("env", [])
        if it["name"] == "OMS_DATABASE_URL"
    }
    assert keys == {
        "migrations": "OMS_DATABASE_URL",
        "intake": "OMS_INTAKE_DATABASE_URL",
        "reference-data": "OMS_REFERENCE_DATA_DATABASE_URL",
    }


def test_airflows_settings_are_the_same_as_on_one_machine() -> None:
    config = yaml.safe_load((HELM / "airflow-values.yaml").read_text())["config"]
    for section, values in configuration(LocalSettings(), Secrets()).items():
        for key, value in values.items():
            if f"{section}.{key}" not in DIFFERENT:
                assert config.get(section, {}).get(key) == value, f"{section}.{key}"


def test_airflows_settings_are_the_same_as_in_the_compose_file(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((HELM / "airflow-values.yaml").read_text())["config"]
    environment = compose["services"]["airflow-worker"]["environment"]
    for section in ("celery", "celery_broker_transport_options"):
        for key, value in config[section].items():
            assert environment[f"AIRFLOW__{section}__{key}".upper()] == value, key
