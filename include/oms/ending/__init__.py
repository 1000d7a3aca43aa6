"""The end of a request: final status, final event, outbox; and the retrigger, which begins it anew."""
