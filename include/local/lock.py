"""A lock that allows one runner a folder. The kernel releases it when the runner dies."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from include.local.part import LocalError


class Lock:
    """A context manager that holds ``<folder>/local.lock``. Raises LocalError where another runner does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None

    def take(self) -> None:
        """Hold it, until ``release`` or the end of this process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / "local.lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise LocalError(
                f"The system is running already in {self._folder}: stop it first (Ctrl-C), "
                "or set OMS_VAR_DIR and the OMS_*_PORT settings to start another beside it."
            ) from None
        self._file = file

    def release(self) -> None:
        """Release the lock. Does nothing if it is not held."""
        if self._file:
            self._file.close()
            self._file = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds it."""
        return self._file is not None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
