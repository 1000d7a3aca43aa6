"""What is done beside the requests: deadlines, reconciliation, retention, archive, restore."""
