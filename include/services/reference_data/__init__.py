"""The Reference Data API: the values that OMS accepts, and the configuration of documents.

Run it with ``python -m include.services.reference_data``. Rows are effective-dated: a row is in force from its first
day (inclusive) to its last day (exclusive). "Today" is the day in UTC.
Source: contracts/reference-data.openapi.yaml.
"""
