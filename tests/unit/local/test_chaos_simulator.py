"""What the simulator is told: it understands all of it, and every fault it knows is on."""

from __future__ import annotations

from include.local.chaos.injector import OUTAGES, PARTS
from include.local.chaos.plan import HITS_THE_INTAKE, KINDS, MORE_A_ROUND
from include.local.chaos.simulator import FAULTS, WELL
from include.services.thunderhead.control import Control, HostileAnswers, Outage


def test_the_simulator_understands_what_it_is_told() -> None:
    Control.model_validate(FAULTS)
    Control.model_validate(WELL)
    assert {Outage(mode=mode, seconds=1).mode for mode in OUTAGES.values()} == set(  # type: ignore[arg-type]
        Outage.model_json_schema()["properties"]["mode"]["enum"]
    )


def test_every_fault_is_on() -> None:
    off = {"outage", "fates", "rendering"}  # injected; in the orders; what costs time alone
    assert Control.model_fields.keys() - FAULTS.keys() <= off
    assert FAULTS["hostile_answers"].keys() == HostileAnswers.model_fields.keys()


def test_what_is_done_is_in_the_plan() -> None:
    assert PARTS.keys() | OUTAGES.keys() | MORE_A_ROUND.keys() | set(HITS_THE_INTAKE) <= set(KINDS)
