"""The few words that a letter says of its own, in the languages that OMS has documents for."""

from __future__ import annotations

import re

_WORDS = {
    "EN": {"to": "To", "date": "Date", "page": "Page {page} of {pages}", "footer": "Footer {footer}"},
    "DE": {"to": "An", "date": "Datum", "page": "Seite {page} von {pages}", "footer": "Fußzeile {footer}"},
    "FR": {"to": "À", "date": "Date", "page": "Page {page} sur {pages}", "footer": "Pied de page {footer}"},
    "ES": {"to": "Para", "date": "Fecha", "page": "Página {page} de {pages}", "footer": "Pie de página {footer}"},
    "NL": {"to": "Aan", "date": "Datum", "page": "Pagina {page} van {pages}", "footer": "Voettekst {footer}"},
}

_JOINTS = re.compile(r"[_\-.\s]+|(?<=[a-z0-9])(?=[A-Z])")
_LONGEST_LABEL = 200  # a longer one would not fit a row


def words(language: str) -> dict[str, str]:
    """The words of a language; English where it is not known."""
    return _WORDS.get(language.upper(), _WORDS["EN"])


def label(name: str) -> str:
    """A name as a person writes it: ``policyHolder`` and ``POLICY_HOLDER`` are both ``Policy holder``."""
    parts = ["ID" if part.lower() == "id" else part.lower() for part in _JOINTS.split(name) if part]
    text = " ".join(parts)
    if len(text) > _LONGEST_LABEL:
        text = text[:_LONGEST_LABEL] + "…"
    return text[:1].upper() + text[1:]
