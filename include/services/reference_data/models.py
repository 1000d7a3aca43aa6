"""The rows that callers read, and the bodies that callers write."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    field_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from include.oms.words.content_schema import ContentSchema, Mode
from include.oms.words.names import checked_name

RefDataType = Literal["REF_DATA_TYPE", "SOURCE_SYSTEM", "DOCUMENT_TYPE", "DOCUMENT_NAME", "DOCUMENT_LANGUAGE",
                      "METADATA_KEY", "APP_DOC_SPEC", "FOOTER_ID", "DOC_CONFIG_CODE"]  # fmt: skip

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _iso_date(value: Any) -> Any:
    """Accept only YYYY-MM-DD, because pydantic also accepts numbers and instants as dates."""
    if isinstance(value, str) and not _ISO_DATE.fullmatch(value):
        raise ValueError("must be a date as YYYY-MM-DD")
    if not isinstance(value, str | None):
        raise ValueError("must be a date as YYYY-MM-DD, in a string")
    return value


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold NUL characters")
    return text


def _compiled(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself. Raises SchemaRefused, with the place, if the intake could not use it."""
    ContentSchema(schema)
    return schema


Day = Annotated[date | None, BeforeValidator(_iso_date)]
Amount = Annotated[int, Field(strict=True, gt=0, le=10**15)]
Key = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(checked_name)]


class _Row(BaseModel):
    """The fields of both kinds of rows."""

    model_config = ConfigDict(alias_generator=to_camel)

    effect_from_dat: Day = None  # default of a new row: today
    effect_to_dat: Day = None  # default of a new row: 4712-12-31, no end

    @model_validator(mode="before")
    @classmethod
    def _says_no_null(cls, content: Any) -> Any:
        """Refuse null, because it is ambiguous: it could mean "no change" or "no end"."""
        nulls = [name for name, value in content.items() if value is None] if isinstance(content, dict) else []
        if nulls:
            raise ValueError(f"must not be null: {', '.join(nulls)}; leave out fields that have no value")
        return content

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.effect_from_dat and self.effect_to_dat and self.effect_from_dat > self.effect_to_dat:
            raise ValueError("effectToDat must not be before effectFromDat")
        return self


class NewReferenceData(_Row):
    """The body to create or change a row. An `id` in it is ignored, so a row that was read can be sent back."""

    ref_data_type: RefDataType
    ref_data_value: Key
    description: Annotated[str, Field(max_length=4000), AfterValidator(_without_nul)] | None = None
    editable: StrictBool | None = None


class NewDocumentConfiguration(_Row):
    """The body to create or change a configuration."""

    footer_id: Key
    app_doc_spec: Key
    code: Key
    value: Annotated[str, Field(max_length=4000), AfterValidator(_without_nul)]


class NewDocumentSchema(_Row):
    """The body to create or change the schema of a document's content."""

    document_name: Key
    mode: Mode = Mode.REFUSE
    json_schema: Annotated[dict[str, Any], AfterValidator(_compiled)] = Field(alias="schema")

    @field_serializer("json_schema")
    def _as_json(self, schema: dict[str, Any]) -> str:
        """The text that the database keeps."""
        return msgspec.json.encode(schema).decode()


class NewSourceSystemQuota(_Row):
    """The body to create or change the quotas of a source system."""

    source_system: Key
    most_open_requests: Amount
    most_requests_an_hour: Amount
    most_bytes_an_hour: Amount


class ReferenceData(BaseModel):
    """The contract's ReferenceData."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)

    id: int
    ref_data_type: str
    ref_data_value: str
    description: str
    editable: bool
    effect_from_dat: date
    effect_to_dat: date


class DocumentConfiguration(BaseModel):
    """The contract's DocumentConfiguration."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)

    id: int
    footer_id: str
    app_doc_spec: str
    code: str
    value: str
    effect_from_dat: date
    effect_to_dat: date


class ListedDocumentSchema(BaseModel):
    """The contract's ListedDocumentSchema: a row without the schema itself."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)

    id: int
    document_name: str
    mode: str
    size_bytes: int
    effect_from_dat: date
    effect_to_dat: date


class DocumentSchema(BaseModel):
    """The contract's DocumentSchema."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)

    id: int
    document_name: str
    mode: str
    json_schema: dict[str, Any] = Field(alias="schema")
    effect_from_dat: date
    effect_to_dat: date


class SourceSystemQuota(BaseModel):
    """The contract's SourceSystemQuota."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)

    id: int
    source_system: str
    most_open_requests: int
    most_requests_an_hour: int
    most_bytes_an_hour: int
    effect_from_dat: date
    effect_to_dat: date
