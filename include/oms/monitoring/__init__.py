"""document_monitoring: from a batch at Thunderhead to the end of its request."""
