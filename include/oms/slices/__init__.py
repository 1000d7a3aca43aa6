"""A slice: how due work is claimed, held under a lease, and let go. What both jobs have in common."""
