"""Who calls: tokens of the configured issuer, checked with the keys that it publishes."""
