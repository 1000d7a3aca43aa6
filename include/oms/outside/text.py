"""Text out of the answers of outside systems, made fit to store, log and show."""

from __future__ import annotations

from typing import Any

from include.oms.words.names import without_unfit_characters


def problem_text(content: Any) -> str | None:
    """What an RFC 9457 problem says; None where the content is not one."""
    if not isinstance(content, dict) or not {"type", "title", "status", "detail"} & content.keys():
        return None
    said = [str(content[key]) for key in ("title", "detail") if content.get(key)]
    return clean_text(": ".join(said) or "no reason given")


def clean_text(text: str, longest: int = 1000) -> str:
    """A foreign text made fit to store and show: line feeds stay, other unfit characters do not; bounded."""
    return without_unfit_characters(text[:longest], keep="\n")
