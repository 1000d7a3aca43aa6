"""The one rule for names and ids: of callers, of requests (correlation ids), of reference data.

A name is kept, searched, shown and exported exactly as it was sent. So it must not hold what a person cannot
see or a form cannot hold:

- no control character (Unicode category Cc), line separator (Zl) or paragraph separator (Zp);
- no bidirectional control (property Bidi_Control): it would show another name than the one that is stored;
- no noncharacter of the basic plane and no lone surrogate: XML and UTF-8 cannot hold them;
- no space (category Zs) at either end: people do not see it, and forms cut it off.

Spaces inside (U+3000, U+00A0), joiners (U+200C, U+200D) and everything else are taken. The intake's door and search,
the console's search, the retrigger form and the Reference Data API all ask ``name_fault``.
"""

from __future__ import annotations

import re
import unicodedata

UNFIT = (
    "\\u0000-\\u001f\\u007f-\\u009f"  # Cc
    "\\u2028\\u2029"  # Zl, Zp
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"  # Bidi_Control
    "\\ufdd0-\\ufdef\\ufffe\\uffff"  # noncharacters
)
SPACES = " \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000"  # Zs

NAME_PATTERN = f"^[^{UNFIT}{SPACES}]([^{UNFIT}]*[^{UNFIT}{SPACES}])?$"
"""The rule as a regular expression that Python and ECMAScript (JSON Schema) read alike. Lone surrogates are left out:
without its ``u`` flag, ECMAScript takes every character beyond the basic plane for two of them."""

_TYPED_AROUND = "\t\r\n \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
_UNFIT_CHARACTER = re.compile(f"[{UNFIT}\\ud800-\\udfff]")
_KINDS = {
    "Cc": "a control character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
    "Cf": "a bidirectional control",
}
_SPACE_AT_AN_END = re.compile(f"\\A[{SPACES}]|[{SPACES}]\\Z")


def name_fault(name: str) -> str | None:
    """What is wrong with a name, as the end of a sentence; None if nothing is. The caller checks the length."""
    if unfit := _UNFIT_CHARACTER.search(name):
        kind = _KINDS.get(unicodedata.category(unfit.group()), "a character that cannot be kept")
        return f"holds {kind}"
    if _SPACE_AT_AN_END.search(name):
        return "begins or ends with a space"
    return None


def trimmed(typed: str) -> str:
    """The text that a person typed or pasted, without the spaces, tabs and line ends around it."""
    return typed.strip(_TYPED_AROUND)


def checked_name(name: str) -> str:
    """The name itself, for pydantic's validators. Raises ValueError if ``name_fault`` finds a fault."""
    if fault := name_fault(name):
        raise ValueError(fault)
    return name


def checked_text(text: str) -> str:
    """A person's text of several lines, for pydantic's validators: a reason. Raises ValueError for the same characters.

    Line feeds and tabs may be in it. A bidirectional control would show another reason than the one that is stored.
    """
    if unfit := _UNFIT_CHARACTER.search(text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")):
        raise ValueError(f"holds {_KINDS.get(unicodedata.category(unfit.group()), 'a character that cannot be kept')}")
    return text


def without_unfit_characters(text: str, *, keep: str = "") -> str:
    """A foreign text made fit to store and show: each unfit character becomes a space, but those in ``keep``."""
    return _UNFIT_CHARACTER.sub(lambda unfit: unfit.group() if unfit.group() in keep else " ", text)
