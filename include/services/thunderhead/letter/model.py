"""What a letter is made of, found in the XML that OMS writes, or in any other."""

from __future__ import annotations

from dataclasses import dataclass

from include.services.thunderhead.document_xml import Element

# Parts of a content that name somebody to write to.
ADDRESSEES = {"addressee", "recipient", "customer", "policyholder", "insured", "broker", "client", "debtor"}


@dataclass(frozen=True)
class Letter:
    """A document, the batch it is made for, and the day (YYYY-MM-DD)."""

    root: Element
    batch_name: str
    date: str

    @property
    def title(self) -> str:
        """The document's name."""
        return self.root.attributes.get("name") or self.root.name

    @property
    def subtitle(self) -> str:
        """Whatever else the root says of itself: the type, the language ..."""
        return " · ".join(value for name, value in self.root.attributes.items() if name != "name" and value)

    @property
    def language(self) -> str:
        """Two letters."""
        return self.root.attributes.get("language", "EN")

    @property
    def content(self) -> Element:
        """What the client sent; where the XML names no content, all of it."""
        return self.root.child("content") or Element("", {}, children=[self.root])

    @property
    def metadata(self) -> list[Element]:
        """The keys it is filed under."""
        return self._section("metadata")

    @property
    def footer(self) -> str:
        """The footer it carries; 0 is the default one."""
        return next((entry.text for entry in self.metadata if entry.name == "FOOTER_ID"), "0")

    @property
    def signees(self) -> list[str]:
        """Who signs it."""
        entries = self._section("configuration")
        return [entry.text for entry in entries if entry.name.startswith("SIGNEE") and entry.text]

    @property
    def addressee(self) -> Element:
        """Whom the content is for; where it names nobody, the customer or organisation of the metadata."""
        for element in self.content.children:
            if element.name.lower().replace("_", "") in ADDRESSEES:
                return element
        return Element("", {}, children=[e for e in self.metadata if e.name in ("CUSTOMER_ID", "ORG_ID")])

    def _section(self, name: str) -> list[Element]:
        found = self.root.child(name)
        return found.children if found else []
