"""The JSON Schema (2020-12) that a document's content must satisfy: bounded when it is written, quick when it is used.

The Reference Data API refuses a schema that ``ContentSchema`` refuses; the intake compiles it once and checks contents
with it. Measured: 2 us for a content of 40 values, 10 us with ``multipleOf`` on 8 of them, and 2 us to read it
(jsonschema: 160 us).

What bounds the work, whoever wrote the schema and whoever sends the content:

- 64 KiB, ``DEEPEST`` levels, ``MOST_SUBSCHEMAS`` subschemas, each counted where it is used: a chain of ``$ref`` that
  doubles with each link ends there.
- ``$ref`` leads into the schema itself, as a JSON Pointer, and never back to where it came from. Nothing is fetched.
- Patterns run in linear time (no look-around, no back-reference), compiled to 64 KiB at most: 2 s for the worst pattern
  on a text of 1 MiB, where a backtracking engine would need years.
- ``unevaluatedProperties`` and ``unevaluatedItems`` are refused: 22 of them inside each other took 85 s.
- jsonschema-rs is only asked whether a value is valid. Its list of errors is complete before the first one is read: one
  content of 50 KB kept it busy for 25 s. ``faults`` finds them one by one, so that the caller can stop.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

import jsonschema_rs
import msgspec

from include.oms.base.json_pointer import UNSTORABLE, pointer

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MOST_BYTES = 65_536
DEEPEST = 32
MOST_SUBSCHEMAS = 500
MOST_PATTERN_BYTES = 65_536

Schema: TypeAlias = dict[str, Any] | bool
Path: TypeAlias = tuple[object, ...]

_ONE = {"not", "if", "then", "else", "additionalProperties", "propertyNames", "items", "contains", "contentSchema"}
_MANY = {"allOf", "anyOf", "oneOf", "prefixItems"}
_NAMED = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
_UNUSED = {"contentSchema", "$defs", "definitions"}  # hold subschemas that are not applied where they stand
_REFUSED = {
    "unevaluatedProperties": "is not supported; use additionalProperties",
    "unevaluatedItems": "is not supported; use items",
    "dependencies": "is not supported; use dependentRequired or dependentSchemas",
    **dict.fromkeys(
        ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary"),
        "is not supported; use $ref with a JSON Pointer, such as #/$defs/address",
    ),
}
_DESCENDED = {"required", "properties", "patternProperties", "additionalProperties", "items", "prefixItems", "allOf"}
_TOGETHER = {"if": ("if", "then", "else"), "contains": ("contains", "minContains", "maxContains")}
_SAYS = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "format": "must be a valid {}",
    "pattern": "must match the pattern {}",
    "minLength": "must have {} characters at least",
    "maxLength": "must have {} characters at most",
    "minItems": "must have {} items at least",
    "maxItems": "must have {} items at most",
    "minProperties": "must have {} members at least",
    "maxProperties": "must have {} members at most",
    "minimum": "must be {} at least",
    "maximum": "must be {} at most",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "uniqueItems": "must not hold the same item twice",
    "contains": "holds too few or too many of the items that it must contain",
    "propertyNames": "has a member whose name breaks the rule for names",
    "anyOf": "must fit one of the alternatives",
    "oneOf": "must fit exactly one of the alternatives",
    "not": "must not fit the schema in not",
    "if": "breaks the rule that follows from its other values",
    "dependentRequired": "lacks a member that another one of its members needs",
    "dependentSchemas": "breaks the rule that follows from one of its members",
}
_LONGEST_LIMIT = 200  # characters of a limit in a message

_quickly, _exactly = msgspec.json.Decoder(), msgspec.json.Decoder(float_hook=Decimal)


class Mode(StrEnum):
    """What becomes of a request whose content breaks the schema."""

    REFUSE = "refuse"  # it is refused, with each fault
    WARN = "warn"  # it is stored; a metric counts it, and a log line names the rules


class SchemaRefused(ValueError):
    """A schema that cannot be used: what is wrong, and the place in it."""

    def __init__(self, place: Path, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self._place = place

    def pointer(self, *before: object) -> str:
        """The place as a JSON Pointer. ``before`` leads to the schema in its document."""
        return pointer(*before, *self._place)


class Broken(NamedTuple):
    """One value that breaks the schema."""

    path: Path  # of the value in the content
    detail: str
    rule: Path  # in the schema; unlike the path, it holds nothing that a client has sent


class ContentSchema:
    """A compiled schema. Shared by all threads."""

    def __init__(self, schema: Any) -> None:
        """Raises SchemaRefused."""
        _check(schema)
        subschemas = _check_references(schema)
        self._whole = _validator(schema)
        self._places: dict[int, Path] = {}
        self._schema = self._inlined(schema, (), subschemas)
        self._parts: dict[tuple[int, str], jsonschema_rs.Validator] = {}

    def faults(self, content: bytes | msgspec.Raw) -> Iterator[Broken]:
        """What breaks the schema in a content, which is JSON. The caller decides how many it wants."""
        with suppress(msgspec.DecodeError):  # a number too large for a float
            if self._whole.is_valid(_quickly.decode(content)):
                return
        try:
            value = _exactly.decode(content)
        except (msgspec.DecodeError, ArithmeticError, ValueError):  # of numbers that Python has no room for
            yield Broken((), "holds a number that is too long to be checked", ())
            return
        if self._whole.is_valid(value):
            return
        is_found = False
        for broken in self._descend(self._schema, value, ()):
            is_found = True
            yield broken
        if not is_found:  # the parts agree with the whole, as a test shows; a content that does not fit never passes
            yield Broken((), "does not fit the schema", ())

    def _descend(self, schema: Schema, value: Any, path: Path) -> Iterator[Broken]:
        """Look for what is wrong in the parts of a value first. Each part that is fine costs one question."""
        if schema is True or (schema and self._fits(schema, "", value)):
            return
        if not isinstance(schema, dict):
            yield Broken(path, "is not allowed here", self._places.get(id(schema), ()))
            return
        place = self._places[id(schema)]
        for member in schema.get("allOf", ()):
            yield from self._descend(member, value, path)
        if isinstance(value, dict):
            yield from self._members(schema, value, path)
        elif isinstance(value, list):
            first, rest = schema.get("prefixItems", ()), schema.get("items", True)
            for index, item in enumerate(value):
                yield from self._descend(first[index] if index < len(first) else rest, item, (*path, index))
        for rule in schema:
            if rule in _SAYS and not self._fits(schema, rule, value):
                yield Broken(path, _SAYS[rule].format(_shown(schema[rule])), (*place, rule))

    def _members(self, schema: dict[str, Any], value: dict[str, Any], path: Path) -> Iterator[Broken]:
        place = self._places[id(schema)]
        for name in schema.get("required", ()):
            if name not in value:
                yield Broken((*path, name), "is missing", (*place, "required"))
        named, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, member in value.items():
            holding = [named[name]] if name in named else []
            for pattern, subschema in schema.get("patternProperties", {}).items():
                if self._validator_of(schema, "patternProperties", {"pattern": pattern}, pattern).is_valid(name):
                    holding.append(subschema)
            if not holding and more is False:
                yield Broken((*path, name), "is not known here", (*place, "additionalProperties"))
            for subschema in holding or [more]:
                if subschema is not False or holding:
                    yield from self._descend(subschema, member, (*path, name))

    def _fits(self, schema: dict[str, Any], rule: str, value: Any) -> bool:
        """Whether a value is valid by a subschema, or by one of its rules."""
        part = {name: schema[name] for name in _TOGETHER.get(rule, (rule,)) if name in schema} if rule else schema
        return self._validator_of(schema, rule, part).is_valid(value)

    def _validator_of(
        self, schema: dict[str, Any], rule: str, part: Schema, which: str = ""
    ) -> jsonschema_rs.Validator:
        key = (id(schema), rule + which)
        if key not in self._parts:  # by two threads at once: the same, twice
            self._parts[key] = _validator(part)
        return self._parts[key]

    def _inlined(self, schema: Schema, place: Path, subschemas: dict[Path, Schema]) -> Schema:
        """A copy with each ``$ref`` replaced by what it leads to, so that every part can be asked by itself."""
        if isinstance(schema, bool):
            return schema
        copy: dict[str, Any] = {}
        for name, value in schema.items():
            if name == "$ref":
                target = _target(value)
                inlined = self._inlined(subschemas[target], target, subschemas)
                copy["allOf"] = [inlined, *copy.get("allOf", ())]
            elif name in _ONE - _UNUSED:
                copy[name] = self._inlined(value, (*place, name), subschemas)
            elif name in _MANY:
                members = [self._inlined(member, (*place, name, nth), subschemas) for nth, member in enumerate(value)]
                copy[name] = [*copy.get(name, ()), *members]
            elif name in _NAMED - _UNUSED:
                copy[name] = {
                    key: self._inlined(member, (*place, name, key), subschemas) for key, member in value.items()
                }
            elif name not in _UNUSED:
                copy[name] = value
        self._places[id(copy)] = place
        return copy


def as_text(schema: Any) -> str:
    """A schema as JSON text, in its own order."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _check(schema: Any) -> None:
    """Check the size, the texts and the form. Raises SchemaRefused."""
    if not isinstance(schema, dict):
        raise SchemaRefused((), "must be an object")
    try:
        size = len(as_text(schema).encode("utf-8", "surrogatepass"))
    except RecursionError:
        raise SchemaRefused((), f"is nested deeper than {DEEPEST} levels") from None
    if size > MOST_BYTES:
        raise SchemaRefused((), f"has {size} bytes; at most {MOST_BYTES} are taken")
    waiting: list[tuple[Path, Any]] = [((), schema)]
    while waiting:
        place, value = waiting.pop()
        if len(place) > DEEPEST:
            raise SchemaRefused(place, f"is nested deeper than {DEEPEST} levels")
        if isinstance(value, float) and not isfinite(value):
            raise SchemaRefused(place, "is no JSON number, or one that is too large")
        for text in (value, *value) if isinstance(value, dict) else (value,):
            if isinstance(text, str) and UNSTORABLE.search(text):
                raise SchemaRefused(place, "holds NUL or half a surrogate pair")
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting.extend(((*place, key), child) for key, child in children)
    if schema.get("$schema", DIALECT) not in (DIALECT, f"{DIALECT}#"):
        raise SchemaRefused(("$schema",), f"must be {DIALECT}")
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": DIALECT})
    except jsonschema_rs.ValidationError as error:
        raise SchemaRefused(tuple(error.instance_path), _first_line(error)) from error


def _check_references(schema: dict[str, Any]) -> dict[Path, Schema]:
    """Check the references, and count what they lead to. Returns every subschema by its place. Raises SchemaRefused."""
    found: dict[Path, Schema] = {}
    waiting: list[tuple[Path, Schema]] = [((), schema)]
    while waiting:
        place, subschema = waiting.pop()
        found[place] = subschema
        if len(found) > MOST_SUBSCHEMAS:
            raise SchemaRefused((), f"has more than {MOST_SUBSCHEMAS} subschemas")
        if isinstance(subschema, bool):
            continue
        for name, value in subschema.items():
            if name in _REFUSED:
                raise SchemaRefused((*place, name), _REFUSED[name])
            if name in ("$id", "$schema") and place:
                raise SchemaRefused((*place, name), "is allowed in the root only")
            if name == "$ref" and not value.startswith("#"):
                raise SchemaRefused((*place, name), "leads out of the schema; nothing is fetched")
            if name == "$ref" and value != "#" and not value.startswith("#/"):
                raise SchemaRefused((*place, name), "must be a JSON Pointer, such as #/$defs/address")
        waiting += _subschemas(subschema, place)
    _count_uses(found)
    return found


def _count_uses(found: dict[Path, Schema]) -> None:
    """Follow every reference. Raises SchemaRefused for one that leads to nothing or back, and for too many uses."""
    uses = 0
    waiting: list[tuple[Path, tuple[Path, ...]]] = [((), ())]
    while waiting:
        place, above = waiting.pop()
        uses += 1
        if uses > MOST_SUBSCHEMAS:
            raise SchemaRefused((), f"has more than {MOST_SUBSCHEMAS} subschemas, each counted where $ref uses it")
        subschema = found[place]
        if isinstance(subschema, bool):
            continue
        above = (*above, place)
        waiting += [(below, above) for below, _ in _subschemas(subschema, place)]
        if (reference := subschema.get("$ref")) is None:
            continue
        target = _target(reference)
        if target not in found:
            raise SchemaRefused((*place, "$ref"), "leads to no subschema")
        if target in above:
            raise SchemaRefused((*place, "$ref"), "leads back to itself")
        if len(above) > DEEPEST:
            raise SchemaRefused((*place, "$ref"), f"leads through more than {DEEPEST} levels")
        waiting.append((target, above))


def _subschemas(schema: dict[str, Any], place: Path) -> Iterator[tuple[Path, Schema]]:
    for name, value in schema.items():
        if name in _ONE:
            yield (*place, name), value
        elif name in _MANY:
            yield from (((*place, name, str(nth)), member) for nth, member in enumerate(value))
        elif name in _NAMED:
            yield from (((*place, name, key), member) for key, member in value.items())


def _target(reference: str) -> Path:
    """The place that a ``$ref`` within the schema names."""
    tokens = unquote(reference.removeprefix("#")).split("/")[1:]
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def _validator(schema: Schema) -> jsonschema_rs.Validator:
    """Raises SchemaRefused if the schema cannot be compiled."""
    try:
        return jsonschema_rs.Draft202012Validator(
            schema,
            validate_formats=True,
            ignore_unknown_formats=False,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(MOST_PATTERN_BYTES, MOST_PATTERN_BYTES),
        )
    except jsonschema_rs.ValidationError as error:
        place = tuple(error.instance_path)
        if "pattern" in place[-1:] or "patternProperties" in place[-2:-1]:
            raise SchemaRefused(
                place,
                "is no regular expression that runs in linear time and compiles to 64 KiB: it has look-around, a "
                "back-reference, a fault, or large repetitions; bound lengths by minLength and maxLength",
            ) from error
        raise SchemaRefused(place, _first_line(error)) from error


def _first_line(error: jsonschema_rs.ValidationError) -> str:
    return error.message.splitlines()[0][:500]


def _shown(limit: Any) -> str:
    """A rule's limit in a message."""
    if isinstance(limit, list):
        shown = ", ".join(map(_shown, limit[:20]))
    else:
        shown = limit if isinstance(limit, str) else as_text(limit)
    return shown if len(shown) <= _LONGEST_LIMIT else f"{shown[:_LONGEST_LIMIT]} ..."
