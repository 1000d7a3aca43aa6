"""Errors of calls to an outside system: one class for each decision that a caller takes."""

from __future__ import annotations

from include.oms.words.model import Category


class OmsError(Exception):
    """Something in OMS went wrong.

    The message is a sentence of our own: logs, alerts and pages may show it. ``said`` is the text of the outside
    system, where there is one. It may quote what a request holds, so it is personal data.
    """

    def __init__(self, message: str | None = None, *, said: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])
        self.said = said

    @property
    def with_what_was_said(self) -> str:
        """The message and ``said``: for what only an audited look shows, and what is erased with the content."""
        return f"{self}: {self.said}" if self.said else str(self)


class Unavailable(OmsError):
    """The outside system is out of reach or refuses us; the call had no effect, and no request is to blame.

    ``retry_after`` is in seconds if the system named a time, else None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, said: str | None = None) -> None:
        super().__init__(message, said=said)
        self.retry_after = retry_after


class Limited(Unavailable):
    """The outside system takes no more calls for ``retry_after`` seconds (429)."""


class Closed(Unavailable):
    """The outside system is paused, or out: no call was made. ``retry_after`` says when it may be called again."""


class NotInTime(OmsError):
    """No call was made: its turn would have come too late."""


class LeaseTooShort(OmsError):
    """No call was made: the worker's lease would not have outlived it."""


class OutcomeUnknown(OmsError):
    """No readable answer: the call may have had its effect. Look the name up before trying again."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, category: Category, said: str | None = None
    ) -> None:
        super().__init__(message, said=said)
        self.retry_after = retry_after
        self.category = category


class Rejected(OmsError):
    """This payload will never be accepted."""


class NotConfigured(OmsError):
    """There is no usable configuration for this document."""
