"""Jobs besides the processing of requests: deadlines, reconciliation, retention, archive, restore."""
