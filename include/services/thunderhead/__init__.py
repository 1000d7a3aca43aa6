"""A Thunderhead to develop and test against: the whole contract, real PDFs, and misbehaviour on demand.

``python -m include.services.thunderhead``. What it can be told is in ``control.py``; the magic values that a
client may put into a document are in ``fates.py``.
Source: contracts/thunderhead.openapi.yaml.
"""
