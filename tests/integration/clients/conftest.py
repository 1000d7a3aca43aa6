"""The same intake as the gateway's tests have."""

from tests.integration.gateway.conftest import client_key, database, served_intake, token_of

__all__ = ["client_key", "database", "served_intake", "token_of"]
