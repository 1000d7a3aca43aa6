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


def is_unfit(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or ord(character) in UNFIT_POINTS


# The first two planes. The others have Chinese, private or no characters: a sample of each.
CHARACTERS = [*map(chr, range(0x20000)), *map(chr, range(0x20000, sys.maxunicode + 1, 97))]
UNFIT = [character for character in CHARACTERS if is_unfit(character)]
SPACES = [character for character in CHARACTERS if unicodedata.category(character) == "Zs"]
PATTERN = re.compile(NAME_PATTERN)


def test_every_character_that_unicode_calls_a_character_is_taken() -> None:
    name = f"a{''.join(character for character in CHARACTERS if not is_unfit(character))}b"
    assert name_fault(name) is None
    assert PATTERN.fullmatch(name)


@pytest.mark.parametrize("frame", ["a{}b", "{}b", "a{}", "{}"])
def test_what_is_no_character_is_refused_everywhere(frame: str) -> None:
    for name in map(frame.format, UNFIT):
        assert name_fault(name), ascii(name)
        assert unicodedata.category(name.strip("ab")) == "Cs" or not PATTERN.fullmatch(name), ascii(name)


@pytest.mark.parametrize("frame", ["{}b", "a{}", "{}"])
def test_a_space_is_refused_at_the_ends(frame: str) -> None:
    for name in map(frame.format, SPACES):
        assert name_fault(name), ascii(name)
        assert not PATTERN.fullmatch(name), ascii(name)


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
