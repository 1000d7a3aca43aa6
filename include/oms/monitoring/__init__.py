"""document_monitoring: from a batch at Thunderhead to what became of it."""
