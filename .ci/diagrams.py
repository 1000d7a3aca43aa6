"""Draw the diagrams of docs/diagrams anew: `make diagrams`. Needs Debian's plantuml.

Fonts and layout differ between machines, so an SVG cannot be compared with one that is drawn again. Each holds the hash
of the sources that it was drawn from instead; tests/unit/docs/test_diagrams.py compares that.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "diagrams"
STYLE = FOLDER / "style.iuml"


def sources() -> list[Path]:
    """Every diagram's source."""
    return sorted(FOLDER.glob("*.puml"))


def source_hash(source: Path) -> str:
    """Of a diagram's source and of the style that all share."""
    return hashlib.sha256(source.read_bytes() + STYLE.read_bytes()).hexdigest()


def drawn_from(drawing: Path) -> str | None:
    """The hash of the sources that a drawing was made from."""
    found = re.search(r"<!-- drawn from (\w+) -->", drawing.read_text("utf-8"))
    return found[1] if found else None


def draw(source: Path) -> None:
    """Draw one. Raises CalledProcessError where plantuml finds a fault in it."""
    plantuml = shutil.which("plantuml") or sys.exit("plantuml is not installed: apt-get install plantuml")
    command = [plantuml, "-tsvg", "-pipe", "-failfast2"]
    text = source.read_bytes()
    drawn = subprocess.run(command, input=text, capture_output=True, cwd=FOLDER, check=True).stdout  # noqa: S603
    svg = re.sub(r"<!--.*?-->", "", drawn.decode(), flags=re.DOTALL)  # plantuml's own: sources, checksums, version
    head, body = svg.split("?>", 1)
    whole = f"{head}?>\n<!-- drawn from {source_hash(source)} -->\n{body.strip()}\n"
    source.with_suffix(".svg").write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    for each in sources():
        draw(each)
