"""What the author of a job meets: the item that is due, and the call that acts. Quick to import, for DAG files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from include.oms.outside.transport import Answer


@dataclass(frozen=True)
class Item:
    """One due request, with the columns that the job's query selects, as JSON has them (an instant is a text)."""

    job: str
    request_id: int
    data: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of this item's effect, the same at every try: send it, so that the look-up can ask for it."""
        return f"{self.job}-{self.request_id}"

    def __getitem__(self, column: str) -> Any:
        """A column. Raises LookupError, which says what to do, where the query does not select it."""
        if column not in self.data:
            raise LookupError(f"the query `due` of {self.job} selects no column {column!r}: add it there")
        return self.data[column]


class Call(Protocol):
    """Call the job's outside system: once, in its turn, under a lease that surely holds."""

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        expect: Collection[int] = (),
        max_bytes: int | None = None,
        document_type: str | None = None,
    ) -> Answer:
        """Return an answer of 2xx or of a status in ``expect``; ``max_bytes`` bounds its body. Items whose
        answers may be large take turns: those of one worker together hold 256 MiB at most.

        ``document_type``: the console may have limits and a pause for it at this system.

        Raises Refused for what this request will never get (400, 404, 409, 413, 422 and the like), Unavailable for
        what is nobody's fault (401, 403, 429, an outage), OutcomeUnknown where the call may have had its effect (no
        answer, or 5xx to anything but a GET).
        """


Act: TypeAlias = Callable[[Item, Call], Awaitable[str | None]]
LookUp: TypeAlias = Callable[[Item, Call], Awaitable[bool]]
