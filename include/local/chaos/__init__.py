"""``make chaos``: the whole system, broken on purpose while it works; then four ledgers compared."""
