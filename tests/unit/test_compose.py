"""The compose file, as far as a file can be checked: it parses, and names only what is there."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import yaml

TEXT = Path("docker-compose.airflow.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]


def test_every_variable_that_must_be_set_is_explained() -> None:
    explained = set(re.findall(r"^(\w+)=", Path(".env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) <= explained


def test_every_module_that_is_run_exists() -> None:
    run = [service["command"] for service in SERVICES.values() if "-m" in service.get("command", [])]
    assert run
    for command in run:
        assert find_spec(command[command.index("-m") + 1]), command


def test_every_service_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        for other in service.get("depends_on", {}):
            assert other in SERVICES, f"{name} waits for {other}"


def test_nothing_listens_beyond_loopback() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
