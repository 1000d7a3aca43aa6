"""Any content becomes a letter, and every text of it is in there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.oms.processing.xml_document import document_xml
from include.services.thunderhead.document_xml import MOST_ELEMENTS, InvalidDocument, parse
from include.services.thunderhead.letter import write_letter
from include.services.thunderhead.letter.style import load_fonts
from include.services.thunderhead.letter.words import label

printable = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2000),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=300), inner, max_size=5),
    max_leaves=40,
)


def xml_of(content: Any) -> str:
    return document_xml(
        attributes={"type": "POLICY", "name": "POSHOOFF", "language": "NL"},
        metadata={"CUSTOMER_ID": "C-1"},
        configuration={"SIGNEE_1": "Head of Operations", "SIGNEE_2": ""},
        content=json.dumps(content),
    )


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from texts(child)
    else:
        yield value


@given(st.recursive(printable, lambda inner: st.lists(inner) | st.dictionaries(printable, inner), max_leaves=12))
def test_no_text_is_lost_on_the_way_through_the_xml(content: Any) -> None:
    read = parse(xml_of({"all": content})).child("content")
    assert read is not None
    assert [leaf.text for leaf in read.leaves()] == list(texts(content))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_json)
def test_any_content_becomes_a_letter(tmp_path: Path, content: Any) -> None:
    load_fonts()
    write_letter(xml_of(content), "OMS-1-1", "2024-11-23", tmp_path / "letter.pdf")
    assert (tmp_path / "letter.pdf").read_bytes().startswith(b"%PDF-")


def test_content_that_is_large_deep_or_long_becomes_a_letter(tmp_path: Path) -> None:
    load_fonts()
    deep: Any = "bottom"
    for _ in range(500):
        deep = {"in": deep}
    content = {
        "deep": deep,
        "many": [{"a": n, "b": "x"} for n in range(300)],
        "text": "word " * 5000 + "\n" * 200 + "end",
        "unbroken": "w" * 5000,
        "k" * 2000: "v" * 650,
    }
    write_letter(xml_of(content), "OMS-1-1", "2024-11-23", tmp_path / "letter.pdf")
    pages = pypdf.PdfReader(tmp_path / "letter.pdf").pages
    text = "\n".join(page.extract_text() for page in pages)
    assert "bottom" in text
    assert "299" in text
    assert f"Pagina {len(pages)} van {len(pages)}" in text


def test_any_other_xml_becomes_a_letter_too(tmp_path: Path) -> None:
    load_fonts()
    write_letter("<note>Hello <b>big</b> world</note>", "X", "2024-11-23", tmp_path / "letter.pdf")
    text = pypdf.PdfReader(tmp_path / "letter.pdf").pages[0].extract_text()
    assert all(word in text for word in ("Hello", "big", "world"))


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("", "no element found"),
        ("<a>", "no element found"),
        ("<a></b>", "mismatched tag"),
        ("<a>&lt;&undefined;</a>", "undefined entity"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "DTD"),
        ("<a>" + "<b/>" * MOST_ELEMENTS + "</a>", "more than"),
        ("<a>\x00</a>", "not well-formed"),
    ],
)
def test_what_cannot_become_one_is_refused_with_a_reason(xml: str, reason: str) -> None:
    with pytest.raises(InvalidDocument, match=reason):
        parse(xml)


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("policyHolder", "Policy holder"),
        ("CUSTOMER_ID", "Customer ID"),
        ("item 3", "Item 3"),
        ("dueDate2", "Due date2"),
        ("", ""),
        ("---", ""),
    ],
)
def test_names_become_labels(name: str, spoken: str) -> None:
    assert label(name) == spoken
