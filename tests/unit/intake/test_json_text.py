"""Bodies are read strictly: nothing lost, nothing guessed."""

import json
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.oms.intake.json_text import (
    DEEPEST,
    MOST_VALUES,
    has_more_values,
    is_deep,
    pointer,
    read_json,
    text_faults,
)
from include.oms.intake.refusals import Fault, Invalid, Malformed

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=12,
)


@given(values)
def test_what_is_read_is_what_was_sent(value: Any) -> None:
    body = json.dumps(value).encode()
    assert json.loads(msgspec.json.encode(read_json(body))) == value
    assert text_faults(body, read_json(body)) == []


@pytest.mark.parametrize("innermost", ["[]", '{"]": "[{\\"["}'])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"[": ', "}"), ('{"\\"]\\\\": ', "}")])
@pytest.mark.parametrize("depth", [2, DEEPEST, DEEPEST + 1])
def test_the_depth_is_counted_without_a_walk(opening: str, closing: str, innermost: str, depth: int) -> None:
    around = depth - 2  # without the outermost and the innermost
    body = f"[{'[], ' * DEEPEST}{opening * around}{innermost}{closing * around}]".encode()
    assert is_deep(body) == bool(text_faults(body, json.loads(body))) == (depth > DEEPEST)


@pytest.mark.parametrize("number", ["1e400", "-0", "1.10", "123456789012345678901234567890", "9" * 5000, "0.1e-9999"])
def test_a_number_keeps_its_digits(number: str) -> None:
    assert msgspec.json.encode(read_json(f'{{"n": {number}}}'.encode())) == f'{{"n":{number}}}'.encode()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "line 1, column 1: Expecting value"),
        (b"{", "line 1, column 2: Expecting property name enclosed in double quotes"),
        (b'{"a": 1} x', "line 1, column 10: Extra data"),
        (b"\xff{}", "byte 0 is not UTF-8"),
        (b'"\xed\xa0\x80"', "byte 1 is not UTF-8"),  # half a surrogate pair in bytes
        (b"\xef\xbb\xbf{}", "line 1, column 1: Unexpected UTF-8 BOM"),
        ('{"a": 1}'.encode("utf-16"), "byte 0 is not UTF-8"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
        (b'{"a": "\x01"}', "line 1, column 8: Invalid control character at"),
        (b'{"a": {"b/c": 1, "b/c": 2}}', "an object names the member 'b~1c' twice"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "an object names the member '\\\\ud800' twice"),
        (b"01", "line 1, column 2: Extra data"),
        (b"'a'", "line 1, column 1: Expecting value"),
    ],
)
def test_what_is_no_json_is_told(body: bytes, told: str) -> None:
    with pytest.raises(Malformed) as raised:
        read_json(body)
    assert raised.value.detail == told


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"a": "x\0"}, Fault("/a", "the text holds NUL (U+0000), which cannot be kept")),
        ({"a": ["\ud83d"]}, Fault("/a/0", "the text holds half a surrogate pair (U+D83D), which cannot be kept")),
        ({"~\0/": 1}, Fault("/~0\\u0000~1", "the name holds NUL (U+0000), which cannot be kept")),
    ],
)
def test_text_that_cannot_be_kept_is_told_with_its_place(value: Any, fault: Fault) -> None:
    body = json.dumps(value).encode()
    assert text_faults(body, read_json(body)) == [fault]


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_the_short_cut_hides_no_fault(value: Any) -> None:
    value = [value, "\ud800\0"]
    body = json.dumps(value).encode()
    assert Fault("/1", "the text holds half a surrogate pair (U+D800), which cannot be kept") in text_faults(
        body, read_json(body)
    )


@pytest.mark.parametrize("body", [b'"\\\\u0000"', b'"\\ud83d\\ude00"', '"\U0001f600"'.encode(), b'"\\u0001"'])
def test_innocent_look_alikes_are_taken(body: bytes) -> None:
    assert text_faults(body, read_json(body)) == []


@pytest.mark.parametrize(("brackets"), ["[]", '{"a":}'])
def test_the_deepest_that_is_taken(brackets: str) -> None:
    opening, closing = brackets[:-1], brackets[-1]
    assert not _faults(opening * (DEEPEST - 1) + "[]" + closing * (DEEPEST - 1))
    (fault,) = _faults(opening * DEEPEST + "[]" + closing * DEEPEST)
    assert fault.detail == f"objects and arrays are nested deeper than {DEEPEST} levels"


@pytest.mark.parametrize("depth", [10_000, 500_000])
@pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"a":', "}")])
def test_a_bottomless_body_is_refused(depth: int, opening: str, closing: str) -> None:
    with pytest.raises(Invalid):
        read_json((opening * depth + "1" + closing * depth).encode())


def test_the_most_values_that_are_taken() -> None:
    assert read_json(json.dumps([1] * (MOST_VALUES - 1)).encode())
    with pytest.raises(Invalid) as raised:
        read_json(json.dumps([1] * MOST_VALUES).encode())
    assert raised.value.faults == [Fault("", f"has more than {MOST_VALUES} values")]


@given(values, st.sampled_from([None, 1]), st.integers(1, 40))
def test_values_are_counted_by_bytes(value: Any, indent: int | None, window: int) -> None:
    def count(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + sum(map(count, inner))

    body, number = json.dumps(value, indent=indent).encode(), count(value)
    with patch("include.oms.intake.json_text.WINDOW_BYTES", window):
        assert not has_more_values(body, number)
        assert has_more_values(body, number - 1)


def test_commas_and_brackets_in_a_text_are_no_values() -> None:
    assert read_json(json.dumps({"a": ",[{" * 30_000, "b": '\\",,,\\\\'}).encode())


def test_a_pointer_is_short_and_escaped() -> None:
    assert pointer("a/b", 0, "c~d") == "/a~1b/0/c~0d"
    assert len(pointer("x" * 10_000)) == 201


def _faults(text: str) -> list[Fault]:
    return text_faults(text.encode(), read_json(text.encode()))
