"""What the intake does with a document request: check, store, find, withdraw. It imports no HTTP server."""
