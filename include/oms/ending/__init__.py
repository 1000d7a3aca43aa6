"""The end of a request: final status, final event, outbox; and the retrigger, which starts an ended request again."""
