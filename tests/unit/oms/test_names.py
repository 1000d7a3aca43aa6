"""One rule for names and ids, by Unicode's own categories."""

import re
import sys
import unicodedata

import pytest

from include.oms.outside.text import clean_text
from include.oms.words.names import NAME_PATTERN, checked_name, checked_text, name_fault

BIDI_CONTROLS = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
NONCHARACTERS = {*range(0xFDD0, 0xFDF0), 0xFFFE, 0xFFFF}
UNFIT_POINTS = BIDI_CONTROLS | NONCHARACTERS


# Every character of the first two planes. The others have Chinese, private or no characters: their ends and a sample.
POINTS = [
    *range(0x20000),
    *(point for point in range(0x20000, sys.maxunicode + 1) if point % 61 == 0 or (point + 8) % 0x10000 < 0x10),
]


def test_the_rule_is_unicodes_own_for_every_character() -> None:
    pattern = re.compile(NAME_PATTERN)
    for point in POINTS:
        character = chr(point)
        category = unicodedata.category(character)
        is_unfit = category in ("Cc", "Cs", "Zl", "Zp") or point in UNFIT_POINTS
        inside, first, last = name_fault(f"a{character}b"), name_fault(f"{character}b"), name_fault(f"a{character}")
        assert (inside is not None) == is_unfit, f"U+{point:04X}"
        assert (first is not None) == (is_unfit or category == "Zs"), f"U+{point:04X}"
        assert (last is not None) == (is_unfit or category == "Zs"), f"U+{point:04X}"
        if category != "Cs":
            assert (pattern.fullmatch(f"a{character}b") is None) == is_unfit, f"U+{point:04X}"
            assert (pattern.fullmatch(f"a{character}") is None) == (last is not None), f"U+{point:04X}"
            assert (pattern.fullmatch(character) is None) == (name_fault(character) is not None), f"U+{point:04X}"


@pytest.mark.parametrize("name", ["\u5c71\u7530\u3000\u592a\u90ce", "\u0645\u06cc\u200c\u0646\u0627", "Anne\u00a0Marie",
                                  "\U0001f469\u200d\U0001f4bb", "A\ue000B", "Anna\u00adMaria", "a"])  # fmt: skip
def test_names_of_people_are_taken_and_kept(name: str) -> None:
    assert checked_name(name) == name
    assert clean_text(name) == name


def test_a_fault_names_the_kind_of_character() -> None:
    with pytest.raises(ValueError, match="a line separator"):
        checked_name("a\u2028b")
    assert name_fault("a ") == "begins or ends with a space"


@pytest.mark.parametrize("text", ["a\u202eb", "a\x00b", "a\u2028b", "a\x1bb", "a\ud800b", "a\rb"])
def test_a_reason_shows_what_is_stored(text: str) -> None:
    with pytest.raises(ValueError, match="holds"):
        checked_text(text)


@pytest.mark.parametrize("text", ["two\nlines", "a\ttab", "windows\r\nlines", " \u5c71\u3000 "])
def test_a_reason_may_have_lines(text: str) -> None:
    assert checked_text(text) == text
