"""The system of a chaos run: as `make up` starts it, with what its faults need."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from include.local.addresses import Addresses
from include.local.chaos.settings import ChaosSettings
from include.local.environment import client_tokens
from include.local.order import Say
from include.local.part import Listen, Part
from include.local.probes import http_answers
from include.local.system import System
from include.oms.testing.forwarder import Forwarder
from include.services.issuer.tokens import ensure_key_pair

ISSUER = "issuer"


class ChaosSystem(System):
    """Its parts reach the OMS Database by a relay, and get the keys for tokens from an issuer.

    Its Connection to Thunderhead is one of Airflow's own, so that an operator can write it anew.
    """

    settings: ChaosSettings

    def __init__(self, settings: ChaosSettings, relay: Forwarder, say: Say) -> None:
        self.relay = relay
        super().__init__(settings, say)
        self.tokens = client_tokens(settings)  # of the clients, by source system

    def take_new_keys(self) -> None:
        """Have the issuer sign with another key from its next start on."""
        (self._keys / "jwt-private.pem").unlink()
        ensure_key_pair(self._keys)

    @property
    def _keys(self) -> Path:
        return self.settings.var_dir / "keys"

    def _find_addresses(self) -> Addresses:
        found = super()._find_addresses()
        direct, relayed = f":{self.settings.postgres_port}/", f":{self.relay.port}/"
        return replace(found, role_urls={it: url.replace(direct, relayed) for it, url in found.role_urls.items()})

    def _make_parts(self) -> list[Part]:
        port = self.settings.issuer_port
        issuer = Part(
            name=ISSUER,
            command=(sys.executable, "-m", "include.services.issuer"),
            env={"OMS_ISSUER_PORT": str(port), "OMS_ISSUER_DATA_DIR": str(self._keys)},
            listen=Listen(port, "OMS_ISSUER_PORT"),
            probe=lambda: http_answers(f"http://127.0.0.1:{port}/jwks"),
        )
        return [issuer, *super()._make_parts()]

    def _shared_environment(self) -> dict[str, str]:
        shared = super()._shared_environment()
        del shared["AIRFLOW_CONN_THUNDERHEAD_API"]
        return shared
