"""What the intake does with a document request: check, store, find, withdraw. Knows nothing of HTTP servers."""
