"""The XML that Thunderhead gets: whatever JSON the intake accepts can be read out of it again, digit by digit."""

import json
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from include.oms.intake.json_text import read_json, text_faults
from include.oms.processing.xml_document import Number, document_xml

# All that JSON can hold, and more of what XML makes trouble of.
any_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")  # those are refused: test_json_text.py
    | st.sampled_from("\x01\x1f\x7f\ufffe\uffff\r\n\t <>&'\"]]>:-.xml"),
    max_size=12,
)
any_number = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True).map(Number)
any_json = st.recursive(
    st.none() | st.booleans() | any_number | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=25,
)


def written(value: Any) -> str:
    """JSON text, numbers as they stand."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{written(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def read(element: Element) -> Any:
    """The value that an element stands for: the five rules of xml_document, the other way round."""
    kind, text = element.get("type"), element.text or ""
    if kind == "array":
        return [read(child) for child in element]
    if kind == "object" or len(element):
        return {name(child): read(child) for child in element}
    if element.get("encoding") == "json":
        return json.loads(text)
    return {"number": Number(text), "boolean": text == "true", "null": None}.get(kind, text) if kind else text


def name(element: Element) -> str:
    key: str = (
        json.loads(element.attrib["key-json"]) if "key-json" in element.attrib else element.get("key", element.tag)
    )
    return key


def round_trip(content: str) -> Any:
    attributes = {"batch": 'a"<&>\r\n\t', "type": "INVOICE"}
    pairs = {'KEY"<&>': " v\r\n\t<&]]>\x01 "}
    xml = document_xml(attributes=attributes, metadata=pairs, configuration={}, content=content)
    root = fromstring(xml.encode())
    assert root.attrib == attributes
    assert {name(entry): read(entry) for entry in root.iterfind("metadata/*")} == pairs
    found = root.find("content")
    assert found is not None
    return read(found)


@given(st.dictionaries(any_text, any_json, max_size=4))
@example({"xml": "", "XmL:lang": [], "": {}, "item": [[]], "entry": {"key": "1"}, "a b": None, "é": " \t", "-": "]]>"})
def test_what_is_accepted_can_be_read_again(content: dict[str, Any]) -> None:
    text = written(content)
    assume(not text_faults(text.encode(), read_json(text.encode())))
    assert written(round_trip(text)) == text


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1e400", "0.1E-400", "1.10", "-0", "1E+2"])
def test_a_number_keeps_its_digits(number: str) -> None:
    assert written(round_trip(f'{{"n": {number}}}')) == f'{{"n":{number}}}'


def test_as_deep_as_it_may_be() -> None:
    text = '{"a":' * 62 + "1" + "}" * 62
    assert written(round_trip(text)) == text
