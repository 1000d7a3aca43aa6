"""Calls of the demo to Thunderhead: finished documents, and the simulator's generation time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx

from include.local.addresses import Addresses
from include.local.demo.events import Event
from include.local.part import LocalError
from include.oms.outside.thunderhead import pdf_fault

CALL_SECONDS = 30


def save_documents(events: Sequence[Event], addresses: Addresses, folder: Path) -> int:
    """Write each completed request's PDF to ``folder/<document>/<correlation id>.pdf``. Returns how many."""
    completed = [event.event["data"] for event in events if event.event["data"]["dms_document_id"] is not None]
    with _client(addresses) as client:
        for data in completed:
            content = _get(client, f"/v1/documents/{data['dms_document_id']}").content
            if fault := pdf_fault(content):
                raise LocalError(f"Thunderhead's document {data['dms_document_id']} {fault}.")
            file = folder / data["document_name"] / f"{data['request_correlation_id']}.pdf"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return len(completed)


def generation_seconds(addresses: Addresses) -> float:
    """Longest generation time that the simulator is set to, in seconds; 0 if Thunderhead is not the simulator."""
    if "thunderhead_api" in addresses.given:
        return 0
    with _client(addresses) as client:
        told = _get(client, "/control").json()
    return float(told["generation_seconds"] + told["generation_jitter_seconds"])


def _client(addresses: Addresses) -> httpx.Client:
    headers = {"Authorization": f"Bearer {addresses.thunderhead_token}"}
    return httpx.Client(base_url=addresses.thunderhead_url, headers=headers, timeout=CALL_SECONDS)


def _get(client: httpx.Client, path: str) -> httpx.Response:
    try:
        return client.get(path).raise_for_status()
    except httpx.HTTPError as error:
        raise LocalError(f"Thunderhead does not answer {path}: {error}") from error
