"""The Reference Data API, as the jobs use it: which configuration holds for a document.

Source: contracts/reference-data.openapi.yaml, GET /v1/document-configurations/search.
"""

from __future__ import annotations

import aiohttp

from include.oms.base.settings import Settings
from include.oms.outside.transport import Transport
from include.oms.words.errors import Unavailable


class ReferenceData:
    """A client of the Reference Data API that asks once for each (document, footer) and then remembers."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    async def configuration(self, document_name: str, footer_id: str) -> dict[str, str]:
        """The configuration in force, value by code (BATCH_CONFIG_ID, SIGNEE_1 ...). Raises Unavailable."""
        key = (document_name, footer_id)
        if key not in self._known:
            self._known[key] = await self._search(document_name, footer_id)
        return self._known[key]

    async def _search(self, document_name: str, footer_id: str) -> dict[str, str]:
        try:
            answer = await self._transport(
                "GET",
                "/v1/document-configurations/search",
                params={"documentName": document_name, "footerId": footer_id},
                timeout_seconds=self._settings.poll_timeout_seconds,
                max_bytes=self._settings.max_answer_bytes,
            )
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable(f"no answer: {error.__class__.__name__}") from error
        if answer.status != 200 or not isinstance(answer.content, list):
            raise Unavailable(f"answered {answer.status}, no configuration", retry_after=answer.retry_after)
        return {
            row["code"]: row["value"]
            for row in answer.content
            if isinstance(row, dict) and isinstance(row.get("code"), str) and isinstance(row.get("value"), str)
        }
