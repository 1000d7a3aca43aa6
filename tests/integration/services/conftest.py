"""A Thunderhead simulator for the tests of this folder, told nothing at the start of each test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.oms.processing.xml_document import document_xml
from tests.integration.services.running import Service, eventually, running

TOKEN = "token-of-the-tests"


class Thunderhead:
    """The simulator as a caller sees it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.http = httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)

    def tell(self, **control: Any) -> None:
        """Documents are made at once where nothing else is told."""
        told = self.http.put("/control", json={"generation_seconds": 0, **control})
        assert told.status_code == 200, told.text

    def post(self, name: str = "OMS-1-1", payload: str | None = None, config_id: str = "1100") -> httpx.Response:
        payload = document() if payload is None else payload
        submit = {"batchName": name, "batchConfigId": config_id, "payload": payload}
        return self.http.post("/v1/batches", json=submit)

    def submit(self, name: str = "OMS-1-1", payload: str | None = None, config_id: str = "1100") -> int:
        answer = self.post(name, payload, config_id)
        assert answer.status_code == 202, answer.text
        return answer.json()["batchId"]

    def batch(self, batch_id: int) -> dict[str, Any]:
        return self.http.get(f"/v1/batches/{batch_id}").json()

    def errors(self, batch_id: int) -> list[dict[str, str]]:
        return self.http.get(f"/v1/batches/{batch_id}/errors").json()["errors"]

    def named(self, name: str) -> list[int]:
        found = self.http.get("/v1/batches", params={"batchName": name}).json()["batches"]
        return [batch["batchId"] for batch in found]

    def ended(self, batch_id: int) -> dict[str, Any]:
        """The batch once it is no longer PROCESSING."""
        return eventually(lambda: (b := self.batch(batch_id))["status"] != "PROCESSING" and b)


def document(name: str = "POSHOOFF", **content: Any) -> str:
    """The XML of a document, as the jobs build it."""
    return document_xml(
        attributes={"type": "POLICY", "name": name, "language": "EN"},
        metadata={"FOOTER_ID": "2", "CUSTOMER_ID": "C-4711"},
        configuration={"BATCH_CONFIG_ID": "1100", "SIGNEE_1": "Head of Operations"},
        content=json.dumps(content),
    )


@contextmanager
def running_thunderhead(data_dir: Path, **settings: str) -> Iterator[Thunderhead]:
    """A simulator of the test's own."""
    settings = {"OMS_THUNDERHEAD_DATA_DIR": str(data_dir), "OMS_THUNDERHEAD_TOKEN": TOKEN, **settings}
    with running("include.services.thunderhead", "OMS_THUNDERHEAD_PORT", **settings) as service:
        thunderhead = Thunderhead(service)
        yield thunderhead
        thunderhead.http.close()


@pytest.fixture(scope="session")
def one_thunderhead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thunderhead]:
    with running_thunderhead(tmp_path_factory.mktemp("thunderhead")) as thunderhead:
        yield thunderhead


@pytest.fixture
def thunderhead(one_thunderhead: Thunderhead) -> Iterator[Thunderhead]:
    """A simulator that behaves well and makes documents at once. Its batches outlive a test: use names of your own."""
    one_thunderhead.tell()
    yield one_thunderhead
    assert one_thunderhead.http.delete("/control").status_code == 200
