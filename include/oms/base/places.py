"""Where an error came from, without its text: a foreign text may quote what a request holds."""

from __future__ import annotations

import traceback

MOST_FRAMES = 12


def places_of(error: BaseException) -> list[str]:
    """File, line and function of the frames, the innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
