"""The compose file: Docker's own Compose reads it without a word, and every service is what an operator may expect."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from include.local.settings import ROOT
from tests.e2e.topology.compose import FILE, resolved
from tests.e2e.topology.image import dockerfile_of, is_ours
from tests.unit.deploy.conftest import DOCUMENTED, MUST_BE_SET
from tests.unit.deploy.settings import settings_by_variable

TEXT = FILE.read_text()
ONCE = {"oms-roles", "oms-migrations", "airflow-migrations"}
NOTHING_TO_CHECK_WITH = {"otel-collector", "jaeger"}  # their images hold one program
WRITES_INTO_ITS_IMAGE = {"kafka", "kafka-topics"}


@pytest.mark.parametrize("name", MUST_BE_SET)
def test_it_does_not_start_without_what_must_be_set(name: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=name):
        resolved({other: "x" for other in MUST_BE_SET if other != name}, tmp_path)


def test_every_variable_is_documented() -> None:
    passed_on = re.findall(r"^  +([A-Z]\w+):\s*$", TEXT, re.MULTILINE)
    assert {*re.findall(r"\$\{(\w+)", TEXT), *passed_on} - DOCUMENTED.keys() == set()


def test_every_default_in_the_file_is_the_documented_one() -> None:
    for name, default in re.findall(r"\$\{(\w+):-([^{}]*)\}", TEXT):
        assert DOCUMENTED[name] == default, name


def test_no_secret_has_a_default() -> None:
    secret = r"\w*(?:PASSWORD|SECRET|TOKEN|FERNET_KEY|CERTIFICATE)\w*"
    assert re.findall(rf"\$\{{({secret}):-[^}}]+\}}", TEXT) == []
    assert [name for name, value in DOCUMENTED.items() if re.fullmatch(secret, name) and value] == []


def test_every_setting_is_documented_with_its_default() -> None:
    documented = DOCUMENTED | {"OMS_JWT_ISSUER": "https://identity.oms.local"}  # must be set
    assert settings_by_variable().items() - documented.items() == set(), "add these to .env.example"


def test_every_setting_of_the_gateway_reaches_it_and_is_documented(compose: dict[str, Any]) -> None:
    told = re.findall(r"\$\{(OMS_GATEWAY_\w+):=([^}]*)\}", (ROOT / "include" / "gateway" / "start").read_text())
    environment = compose["services"]["gateway"]["environment"]
    here = {name for name, value in environment.items() if value}
    for name, default in told:
        if name not in here | {"OMS_GATEWAY_DIR", "OMS_GATEWAY_INNER_PORT", "OMS_GATEWAY_ACCESS_LOG"}:
            assert name in environment, "add it to the gateway's environment"
            assert DOCUMENTED.get(name) == default, f"{name}: add it to .env.example"


def test_every_setting_reaches_who_reads_it(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in ("airflow-scheduler", "airflow-worker", "airflow-triggerer", "intake"):
        missing = {name for name in _tuning() if name not in services[service]["environment"]}
        assert missing == set(), f"add these to x-tuning: {service}"
    anywhere = set().union(*(service.get("environment", {}) for service in services.values()))
    assert settings_by_variable().keys() - anywhere == set()


def _tuning() -> set[str]:
    """The settings that are not one service's own."""
    own = ("OMS_THUNDERHEAD_", "OMS_INTAKE_", "OMS_JWT_", "OMS_REFERENCE_DATA_", "OMS_MAX_BODY", "OTEL_")
    return {name for name in settings_by_variable() if not name.startswith(own)}


def test_every_module_that_is_run_exists(compose: dict[str, Any]) -> None:
    run = [it["command"] for it in compose["services"].values() if "-m" in (it.get("command") or [])]
    assert run
    for command in run:
        assert find_spec(command[command.index("-m") + 1]), command


def test_what_is_mounted_exists(compose: dict[str, Any]) -> None:
    mounted = [
        mount for it in compose["services"].values() for mount in it.get("volumes", []) if mount["type"] == "bind"
    ]
    assert mounted
    for mount in mounted:
        assert Path(mount["source"]).exists()
        assert mount["read_only"]


def test_every_service_is_as_tight_as_it_can_be(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("read_only", False) is (name not in WRITES_INTO_ITS_IMAGE), name
        assert (service.get("user") or _user_of_image(service)) not in ("", "0", "root"), name


def _user_of_image(service: dict[str, Any]) -> str:
    users = re.findall(r"^USER (\S+)", dockerfile_of(service).read_text(), re.MULTILINE)
    return users[-1] if users else ""


def test_a_tmpfs_that_is_not_tmp_says_whose_it_is(compose: dict[str, Any]) -> None:
    """Else it is root's: what runs as another user cannot write there, or not after its first restart."""
    for name, service in compose["services"].items():
        for mount in service["tmpfs"]:
            path, _, options = mount.partition(":")
            if is_ours(service) and path != "/tmp":
                assert options == f"uid={_user_of_image(service)}", f"{name}: {mount}"
    assert compose["services"]["postgres"]["tmpfs"] == ["/tmp", "/var/run/postgresql:mode=1777"]


def test_a_volume_of_an_image_that_is_not_named_is_in_memory(compose: dict[str, Any]) -> None:
    """Docker makes an anonymous volume of it otherwise, with each container anew, and removes none."""
    volumes = {
        "apache/kafka": {"/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"},
        "postgres": {"/var/lib/postgresql"},
        "redis": {"/data"},
    }
    for name, service in compose["services"].items():
        mounted = {mount.partition(":")[0] for mount in service["tmpfs"]}
        mounted |= {mount["target"] for mount in service.get("volumes", [])}
        assert volumes.get(service["image"].partition(":")[0], set()) <= mounted, name


def test_it_asks_nothing_of_the_engine_that_debian_stable_has_not(compose: dict[str, Any]) -> None:
    assert [name for name, it in compose["services"].items() if "start_interval" in it.get("healthcheck", {})] == []


def test_each_image_is_built_once(compose: dict[str, Any]) -> None:
    ours = {service["image"] for service in compose["services"].values() if is_ours(service)}
    built = [service["image"] for service in compose["services"].values() if "build" in service]
    assert sorted(built) == sorted(ours)
    for service in compose["services"].values():
        assert "build" not in service or ROOT / service["build"]["dockerfile"] == dockerfile_of(service)


def test_no_secret_is_in_a_command_line(compose: dict[str, Any]) -> None:
    """Everybody on the machine reads those, by `ps`."""
    secrets = [f"the-{name.lower()}" for name in MUST_BE_SET if "PASSWORD" in name or "SECRET" in name or "KEY" in name]
    for name, service in compose["services"].items():
        words = [*(service.get("command") or []), *service.get("healthcheck", {}).get("test", [])]
        assert not [word for word in words if any(secret in word for secret in secrets)], name
        handed_on = [word for word in words if re.search(r"\$\w*(URL|PASSWORD|AUTH|TOKEN)", word)]
        assert handed_on == [word for word in handed_on if word.startswith("umask 077; echo ")], name


def test_every_service_has_a_limit_of_memory(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if not service.get("mem_limit")] == []


def test_everything_has_time_to_stop(compose: dict[str, Any]) -> None:
    """Longer than was measured: the scheduler took 12 s, the API server 14 s, a worker 23 s, the intake 40 s."""
    least = {"airflow-scheduler": 60, "airflow-api-server": 60, "airflow-worker": 120, "intake": 60, "gateway": 40}
    for name, service in compose["services"].items():
        if name != "airflow-triggerer":  # has nothing to finish
            assert _seconds(service["stop_grace_period"]) >= least.get(name, 30), name


def _seconds(duration: str) -> int:
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration)
    assert found
    return 60 * int(found[1] or 0) + int(found[2] or 0)


def test_every_image_is_pinned(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if not is_ours(service):
            assert re.search(r":v?\d+\.\d+(\.\d+)?$", service["image"]), name


def test_everything_that_stays_has_a_health_check_and_comes_back(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name in ONCE:
            assert service["restart"] in ("no", "on-failure"), name
        else:
            assert ("healthcheck" in service) is (name not in NOTHING_TO_CHECK_WITH), name
            assert service["restart"] == "unless-stopped", name


def test_whoever_waits_waits_for_the_right_thing(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == expected, other


def test_nothing_listens_beyond_loopback_unless_told_so(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))


def test_clients_get_no_further_than_the_gateway(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services["gateway"]["networks"]) == {"front"}
    assert {name for name, it in services.items() if "front" in it["networks"]} == {"gateway", "intake"}
    assert "ports" not in services["intake"]


def test_workers_scale(compose: dict[str, Any]) -> None:
    assert not {"ports", "container_name"} & compose["services"]["airflow-worker"].keys()


def test_a_connection_of_ones_own_reaches_every_airflow_container(tmp_path: Path) -> None:
    (example,) = re.findall(r"```ini\n(.*?)```", (ROOT / "docs/deployment.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "connections.env").write_text(example)
    services = resolved(dict.fromkeys(MUST_BE_SET, "x"), tmp_path, beside=tmp_path)["services"]
    there = {name for name, it in services.items() if "AIRFLOW_CONN_DOCUMENT_ARCHIVE" in it.get("environment", {})}
    assert there == {name for name, it in services.items() if it["image"].startswith("oms-airflow")}
    worker = services["airflow-worker"]
    path = Path(json.loads(worker["environment"]["AIRFLOW_CONN_DOCUMENT_ARCHIVE"])["extra"]["path"])
    assert str(path.parent) in {mount["target"] for mount in worker["volumes"]}
    assert str(path.parent) in dockerfile_of(worker).read_text(), "else it belongs to root"


def test_each_part_reaches_the_oms_database_with_a_role_of_its_own(compose: dict[str, Any]) -> None:
    roles: dict[str, set[str]] = {}
    for name, service in compose["services"].items():
        for value in service.get("environment", {}).values():
            for role, password in re.findall(r"postgresql://(\w+):(\S+)@postgres:5432/oms$", value or ""):
                assert password == f"the-{role}_database_password", name
                roles.setdefault(role, set()).add(name)
    airflow = {name for name, it in compose["services"].items() if it["image"].startswith("oms-airflow")}
    assert roles == {
        "oms": {"oms-migrations"},
        "oms_intake": {"intake"},
        "oms_reference_data": {"reference-data"},
        "oms_console": {"airflow-api-server"},
        "oms_jobs": airflow - {"airflow-api-server"},
    }
    told = compose["services"]["oms-roles"]["environment"]
    assert {f"{role}_database_password".upper() for role in roles} - {"OMS_DATABASE_PASSWORD"} <= told.keys()


def test_the_intake_knows_nothing_of_airflow(compose: dict[str, Any]) -> None:
    for name in ("intake", "reference-data", "gateway"):
        assert not [key for key in compose["services"][name]["environment"] if key.startswith("AIRFLOW")], name
