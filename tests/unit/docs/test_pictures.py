"""The pictures of the guide are there, and the browser tests take them."""

from __future__ import annotations

import runpy

import pytest

from include.oms.testing.postgres import ROOT

PICTURES = runpy.run_path(str(ROOT / ".ci/pictures.py"))
SHOWN = PICTURES["shown"]()
TESTS = "\n".join((ROOT / test).read_text("utf-8") for test in PICTURES["TESTS"])


def test_every_picture_is_shown_and_is_there() -> None:
    assert sorted(SHOWN) == sorted(image.stem for image in PICTURES["IMAGES"].glob("*.png")), "run `make pictures`"


@pytest.mark.parametrize("name", SHOWN)
def test_a_browser_test_takes_it(name: str) -> None:
    assert f'"{name.removesuffix("-light").removesuffix("-dark")}"' in TESTS
