"""What the schema of a call cannot say: a query that names a metadata key twice is refused."""

from typing import Any

import schemathesis


@schemathesis.hook
def map_query(_context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """The same query with one metadata pair a key."""
    pairs = (query or {}).get("metadata")
    if query is None or not isinstance(pairs, list) or not all(isinstance(pair, str) for pair in pairs):
        return query
    return query | {"metadata": list({pair.partition(":")[0]: pair for pair in pairs}.values())}
