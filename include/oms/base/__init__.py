"""What everything stands on: settings, the OMS Database, its queries, traces. Knows nothing of documents."""
