"""A Thunderhead to develop and test against: the whole contract, real PDFs, and misbehaviour on demand.

``python -m include.services.thunderhead``. ``control.py`` has its settings; ``fates.py`` has
the sandbox values that a client may put into a document.
Source: contracts/thunderhead.openapi.yaml.
"""
