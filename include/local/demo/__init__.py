"""``make demo``: the whole way of 200 documents, and the proof that none was lost or doubled."""
