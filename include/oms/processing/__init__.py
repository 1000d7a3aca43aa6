"""document_processing: from a claimed request to a batch at Thunderhead."""
