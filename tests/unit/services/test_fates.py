"""A document's fate is told by a magic value in it, by name, prefix or configuration, in this order."""

from __future__ import annotations

import pytest

from include.services.thunderhead.control import Control, Fate, Match
from include.services.thunderhead.fates import SANDBOX, WELL, fate_of, request_of

XML = '<?xml version="1.0" encoding="UTF-8"?>\n<document type="INVOICE" name="IVBRKCOM"><content name="x"/></document>'


def fate(match: Match, payload: str = XML) -> str:
    return fate_of("OMS-101-2", "1200", payload, Control(fates=[Fate(match=match, status="STOPPED")])).status


@pytest.mark.parametrize(
    "match",
    [
        Match(),
        Match(document_name="IVBRKCOM"),
        Match(document_name="IV*", batch_name="OMS-1*", batch_config_id="12??"),
    ],
)
def test_all_that_is_given_fits(match: Match) -> None:
    assert fate(match) == "STOPPED"


@pytest.mark.parametrize(
    "match",
    [
        Match(document_name="ivbrkcom"),
        Match(document_name="x"),
        Match(document_name="IV*", batch_name="OMS-2*"),
        Match(batch_config_id="1"),
    ],
)
def test_something_does_not_fit(match: Match) -> None:
    assert fate(match) == "COMPLETED"


@pytest.mark.parametrize("root", ["<d name='IVBRKCOM'/>", '<d\n a="1"\n name="IVBRKCOM">', '  <d name="IVBRKCOM">'])
def test_the_document_name_is_the_root_element_s(root: str) -> None:
    assert fate(Match(document_name="IVBRKCOM"), root) == "STOPPED"
    assert fate(Match(document_name="IVBRKCOM"), "<a><d name='IVBRKCOM'/></a>") == "COMPLETED"


def test_the_first_that_fits_counts_and_a_sandbox_value_before_all() -> None:
    control = Control(fates=[Fate(status="NEVER"), Fate(status="STOPPED")])
    assert fate_of("n", "c", XML, control).status == "NEVER"
    assert fate_of("n", "c", "<d><sandbox>REJECTED</sandbox></d>", control) == SANDBOX["REJECTED"]
    assert fate_of("n", "c", "<d><sandbox>NONE_SUCH</sandbox></d>", Control()) == WELL


def test_a_batch_name_tells_its_request() -> None:
    assert request_of("OMS-101-2") == "OMS-101"
    assert request_of("name") == "name"
