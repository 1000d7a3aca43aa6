"""Take the pictures of docs/operators.md anew: `make pictures`. Needs Debian's chromium and chromium-driver.

The browser tests take them, of what they find there; this copies those that the guide shows. Look at each afterwards.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from math import dist
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
GUIDE, IMAGES, TAKEN = ROOT / "docs" / "operators.md", ROOT / "docs" / "images", ROOT / "var" / "screenshots"
TESTS = (
    "tests/e2e/browser/test_an_operators_day.py", "tests/e2e/browser/test_situations.py",
    "tests/integration/console/test_a_bad_day.py", "tests/integration/console/test_pages.py",
)  # fmt: skip
COLOURS = 256


def shown() -> list[str]:
    """The names of the pictures in the guide."""
    return re.findall(r"!\[[^\]]*\]\(images/([\w-]+)\.png\)", GUIDE.read_text("utf-8"))


def copy(name: str) -> None:
    """Copy one, with its most frequent colours: every flat area is exact. Raises StopIteration if nobody took it."""
    taken = Image.open(next(TAKEN.rglob(f"{name}.png"))).convert("RGB")
    pixels = [*zip(*[iter(taken.tobytes())] * 3, strict=True)]
    frequent = [colour for colour, _ in Counter(pixels).most_common(COLOURS)]
    nearest = {colour: min(range(len(frequent)), key=lambda n: dist(colour, frequent[n])) for colour in {*pixels}}
    small = Image.frombytes("P", taken.size, bytes(nearest[colour] for colour in pixels))
    small.putpalette(bytes(part for colour in frequent for part in colour))
    small.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], cwd=ROOT, check=True)  # noqa: S603
    for each in shown():
        copy(each)
    for old in IMAGES.glob("*.png"):
        if old.stem not in shown():
            old.unlink()
