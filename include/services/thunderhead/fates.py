"""The fate of a document: from a sandbox value in its content, from the settings, else it completes."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from include.services.thunderhead.control import Control, Fate, Match

# A document whose content says {"sandbox": "<one of these>"} ends like this. Nobody but the simulator knows them.
SANDBOX: dict[str, Fate] = {
    "COMPLETED": Fate(status="COMPLETED"),
    "SLOW": Fate(status="COMPLETED", generation_seconds=30),
    "FAILED_VALIDATION": Fate(category="VALIDATION_ERROR", description="Sandbox: the document's data are not valid."),
    "FAILED_PROCESSING": Fate(category="PROCESSING_ERROR", description="Sandbox: the document could not be processed."),
    "FAILED_TIMEOUT": Fate(category="TIMEOUT_ERROR", description="Sandbox: the generation took too long."),
    "FAILED_INTERNAL": Fate(category="INTERNAL_ERROR", description="Sandbox: the generator broke."),
    "TRANSIENT": Fate(category="PROCESSING_ERROR", description="Sandbox: fine at the next attempt.", first_n=1),
    "STOPPED": Fate(status="STOPPED"),
    "NEVER": Fate(status="NEVER"),
    "REJECTED": Fate(status="REJECTED", description="Sandbox: this payload will never be accepted."),
    "UNAVAILABLE_ONCE": Fate(status="UNAVAILABLE", description="Sandbox: try again.", first_n=1),
}

WELL = Fate(status="COMPLETED")

_SANDBOX = re.compile(r"<sandbox>([A-Z_]{1,40})</sandbox>")
_DOCUMENT_NAME = re.compile(r"""\s*(?:<\?xml[^>]*\?>\s*)?<[^\s>]+(?:\s[^>]*?)?\sname=["']([^"']*)["']""")


def fate_of(batch_name: str, batch_config_id: str, payload: str, control: Control) -> Fate:
    """The fate of one submit. It searches the payload without parsing it, because this is the hot path."""
    if "<sandbox>" in payload:
        asked = _SANDBOX.search(payload)
        if asked and asked[1] in SANDBOX:
            return SANDBOX[asked[1]]
    for fate in control.fates:
        if _fits(fate.match, batch_name, batch_config_id, payload):
            return fate
    return WELL


def _fits(match: Match, batch_name: str, batch_config_id: str, payload: str) -> bool:
    return (
        (match.batch_name is None or fnmatchcase(batch_name, match.batch_name))
        and (match.batch_config_id is None or fnmatchcase(batch_config_id, match.batch_config_id))
        and (match.document_name is None or fnmatchcase(_document_name(payload), match.document_name))
    )


def _document_name(payload: str) -> str:
    found = _DOCUMENT_NAME.match(payload[:2000])
    return found[1] if found else ""


def request_of(batch_name: str) -> str:
    """The request a batch is for: OMS-101-2 is the second attempt of OMS-101."""
    return batch_name.rpartition("-")[0] or batch_name
