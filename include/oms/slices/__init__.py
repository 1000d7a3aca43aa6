"""A slice: how due work is claimed, held under a lease and released. Both jobs use it."""
