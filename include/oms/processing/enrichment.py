"""Enrichment: which configuration makes the document, and the XML it is made of."""

from __future__ import annotations

import logging
import re

import psycopg
from msgspec.structs import replace

from include.oms.base.places import places_of
from include.oms.base.settings import Settings
from include.oms.ending.topics import topic_fault
from include.oms.outside.reference_data import ReferenceData, shown_code
from include.oms.processing.tries import Document, HeldRequest, TryResult, failed, unavailable
from include.oms.processing.xml_document import document_xml, fits_in_xml
from include.oms.words.errors import Closed, NotConfigured, NotInTime, Unavailable
from include.oms.words.model import Category, Stage

DEFAULT_FOOTER = "0"

log = logging.getLogger("oms")
_CONFIG_ID = re.compile(r"\S{1,100}")


async def enrich(request: HeldRequest, reference_data: ReferenceData, settings: Settings) -> Document | TryResult:
    """The document of a request, or the result where it cannot be made now.

    The Reference Data API is asked once for each (document, footer): most calls are answered from memory.
    """
    try:
        configuration = await reference_data.configuration(
            request.document_name, request.metadata.get("FOOTER_ID", DEFAULT_FOOTER)
        )
        return document_of(request, configuration, settings)
    except Unavailable as error:
        return unavailable(request, Stage.ENRICHMENT, error)
    except NotInTime as error:
        return unavailable(request, Stage.ENRICHMENT, Closed(str(error)))
    except NotConfigured as error:
        return _failed(request, Category.CONFIGURATION_ERROR, str(error), settings.max_attempts)
    except (ValueError, RecursionError) as error:
        return _failed(request, Category.VALIDATION_ERROR, f"no XML can be made of it: {error}", settings.max_attempts)
    except (psycopg.Error, MemoryError):  # these concern all
        raise
    except Exception as error:  # noqa: BLE001  # nobody foresaw it: the other requests go on
        name, where = type(error).__name__, ", ".join(places_of(error))
        log.error("request %d: its document cannot be made: %s at %s", request.request_id, name, where)
        return _failed(request, Category.INTERNAL_ERROR, f"its document cannot be made: {name}", settings.max_attempts)


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
    return Document(replace(request, content=None), config_id, xml, topic=topic)


def _checked(configuration: dict[str, str], document_name: str, settings: Settings) -> tuple[str, str | None]:
    """BATCH_CONFIG_ID, and the topic where one is named. Raises NotConfigured where a value cannot be used."""
    for code, value in configuration.items():
        if not fits_in_xml(value):
            raise NotConfigured(f"{shown_code(code)} of {document_name} holds a control character")
    config_id, topic = configuration.get("BATCH_CONFIG_ID"), configuration.get("TOPIC_NAME")
    if not config_id:
        raise NotConfigured(f"no BATCH_CONFIG_ID is in force for {document_name}")
    if not _CONFIG_ID.fullmatch(config_id):
        raise NotConfigured(f"BATCH_CONFIG_ID of {document_name} is no id: 1 to 100 characters, no blanks")
    if topic and (fault := topic_fault(topic, settings)):
        raise NotConfigured(fault)
    return config_id, topic or None


def _failed(request: HeldRequest, category: Category, description: str, max_attempts: int) -> TryResult:
    return failed(request, Stage.ENRICHMENT, category, description, max_attempts=max_attempts)
