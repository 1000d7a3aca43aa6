"""``make demo``: make 200 documents end to end, and prove that none was lost or doubled."""
