"""The Reference Data API, as the jobs use it: which configuration holds for a document.

Source: contracts/reference-data.openapi.yaml, GET /v1/document-configurations/search.
"""

from __future__ import annotations

import re
from typing import Any

from include.oms.base.limits import MOST_ANSWER_BYTES
from include.oms.base.settings import Settings
from include.oms.outside.door import Door
from include.oms.outside.transport import Answer, unavailable
from include.oms.words.errors import NotConfigured, Unavailable
from include.oms.words.names import name_fault

MOST_ROWS = 1000
LONGEST_CODE = 100
LONGEST_VALUE = 4000  # characters
_CODE = re.compile("[A-Z][A-Z0-9_]{0,59}")  # as codes are written


class ReferenceData:
    """A client of the Reference Data API. It asks once for each (document, footer) and keeps the answer."""

    def __init__(self, door: Door, settings: Settings) -> None:
        self.door = door
        self._settings = settings
        self._known: dict[tuple[str, str], dict[str, str] | NotConfigured] = {}

    async def configuration(self, document_name: str, footer_id: str) -> dict[str, str]:
        """The configuration in force, value by code (BATCH_CONFIG_ID, SIGNEE_1 ...).

        Raises Unavailable if the API is out, NotInTime if it cannot be asked in time, NotConfigured if its answer for
        this document cannot be used.
        """
        key = (document_name, footer_id)
        if key not in self._known:
            try:
                self._known[key] = await self.door.call(
                    "GET",
                    "/v1/document-configurations/search",
                    params={"documentName": document_name, "footerId": footer_id},
                    read=_configuration_in,
                    timeout_seconds=self._settings.poll_timeout_seconds,
                )
            except NotConfigured as error:
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, NotConfigured):
            raise known
        return known


def _configuration_in(answer: Answer) -> dict[str, str]:
    """The configuration that an answer holds.

    Raises NotConfigured where its content cannot be used: that concerns this document alone. Raises Unavailable where
    the answer did not come from the API.
    """
    if answer.status in (400, 414, 422):
        raise NotConfigured(f"the Reference Data API answered {answer.status}: it cannot be asked about this document")
    if answer.status != 200:
        raise unavailable(answer, f"answered {answer.status}, no configuration")
    if answer.body is None:
        raise NotConfigured(f"the configuration is longer than {MOST_ANSWER_BYTES} bytes")
    if not isinstance(answer.content, list):
        if answer.body.lstrip()[:1] in (b"[", b"{"):
            raise NotConfigured("the configuration is no list that can be read")
        raise Unavailable("answered 200, and no JSON")
    if len(answer.content) > MOST_ROWS:
        raise NotConfigured(f"the configuration has more than {MOST_ROWS} rows")
    configuration: dict[str, str] = {}
    for row in answer.content:
        code, value = _code_and_value(row)
        if code in configuration:
            raise NotConfigured(f"the configuration has more than one {shown_code(code)}")
        configuration[code] = value
    return configuration


def _code_and_value(row: Any) -> tuple[str, str]:
    code, value = (row.get("code"), row.get("value")) if isinstance(row, dict) else (None, None)
    if not isinstance(code, str) or not 1 <= len(code) <= LONGEST_CODE or name_fault(code):
        raise NotConfigured("the configuration has a row without a code that can be used")
    if not isinstance(value, str) or len(value) > LONGEST_VALUE:
        raise NotConfigured(f"the value of {shown_code(code)} is no text of at most {LONGEST_VALUE} characters")
    return code, value


def shown_code(code: str) -> str:
    """A code for a sentence of ours, which everybody may read. Any other text may be personal data."""
    return code if _CODE.fullmatch(code) else "code"
