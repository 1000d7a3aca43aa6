"""The Reference Data API: what OMS may accept, and how a document is to be made.

``python -m include.services.reference_data``. Rows are effective-dated: a row counts from its first day up to, not
including, its last. "Today" is the day in UTC.
Source: contracts/reference-data.openapi.yaml.
"""
