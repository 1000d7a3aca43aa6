"""Enrichment: which configuration makes the document, and the XML it is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from include.oms.base.settings import Settings
from include.oms.ending.topics import topic_fault
from include.oms.outside.breaker import Breaker
from include.oms.outside.reference_data import ReferenceData
from include.oms.processing.work import Document, HeldRequest, Result, failed, unavailable
from include.oms.processing.xml_document import document_xml, fits_in_xml
from include.oms.words.errors import NotConfigured, Unavailable
from include.oms.words.model import Category, Stage

DEFAULT_FOOTER = "0"
_CONFIG_ID = re.compile(r"\S{1,100}")


async def enrich(
    requests: Sequence[HeldRequest], reference_data: ReferenceData, breaker: Breaker, settings: Settings
) -> tuple[list[Document], list[Result]]:
    """Documents for the requests that can be made now, and results for those that cannot.

    The Reference Data API is asked once for each (document, footer), so the loop is bound by memory, not by calls.
    """
    documents: list[Document] = []
    results: list[Result] = []
    for request in requests:
        try:
            documents.append(document_of(request, await _configuration(request, reference_data, breaker), settings))
        except Unavailable as error:
            results.append(unavailable(request, Stage.ENRICHMENT, error))
        except NotConfigured as error:
            results.append(_failed(request, Category.CONFIGURATION_ERROR, str(error), settings.max_attempts))
        except (ValueError, RecursionError) as error:
            results.append(
                _failed(request, Category.VALIDATION_ERROR, f"no XML can be made of it: {error}", settings.max_attempts)
            )
    return documents, results


def document_of(request: HeldRequest, configuration: dict[str, str], settings: Settings) -> Document:
    """The document by its configuration. Raises NotConfigured, or ValueError where its content is gone."""
    if request.content is None:  # first: without its metadata, its configuration may not be found either
        raise ValueError("its content was erased at the end of its retention")
    config_id, topic = _checked(configuration, request.document_name, settings)
    xml = document_xml(
        attributes={
            "request": str(request.request_id),
            "correlation": request.request_correlation_id,
            "source": request.source_system,
            "environment": request.source_environment,
            "type": request.document_type,
            "name": request.document_name,
            "language": request.document_language,
        },
        metadata=request.metadata,
        configuration=configuration,
        content=request.content,
    )
    return Document(request, config_id, xml, topic=topic)


def _checked(configuration: dict[str, str], document_name: str, settings: Settings) -> tuple[str, str | None]:
    """BATCH_CONFIG_ID, and the topic where one is named. Raises NotConfigured where a value cannot be used."""
    for code, value in configuration.items():
        if not fits_in_xml(value):
            raise NotConfigured(f"{code} of {document_name} holds a control character")
    config_id, topic = configuration.get("BATCH_CONFIG_ID"), configuration.get("TOPIC_NAME")
    if not config_id:
        raise NotConfigured(f"no BATCH_CONFIG_ID is in force for {document_name}")
    if not _CONFIG_ID.fullmatch(config_id):
        raise NotConfigured(f"BATCH_CONFIG_ID of {document_name} is no id: 1 to 100 characters, no blanks")
    if topic and (fault := topic_fault(topic, settings)):
        raise NotConfigured(fault)
    return config_id, topic or None


async def _configuration(request: HeldRequest, reference_data: ReferenceData, breaker: Breaker) -> dict[str, str]:
    if breaker.is_open:
        raise Unavailable(breaker.reason)
    try:
        configuration = await reference_data.configuration(
            request.document_name, request.metadata.get("FOOTER_ID", DEFAULT_FOOTER)
        )
    except Unavailable as error:
        breaker.failed(f"Reference Data API: {error}", error.retry_after)
        raise
    except NotConfigured:
        breaker.answered()
        raise
    breaker.answered()
    return configuration


def _failed(request: HeldRequest, category: Category, description: str, max_attempts: int) -> Result:
    return failed(request, Stage.ENRICHMENT, category, description, max_attempts=max_attempts)
