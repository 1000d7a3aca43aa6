"""OMS's own processes: migrations, the Reference Data API, the Thunderhead simulator, the intake."""

from __future__ import annotations

import sys
from collections.abc import Callable

from include.local.addresses import Addresses
from include.local.part import Listen, Part
from include.local.probes import http_answers
from include.local.settings import LocalSettings


def service_parts(settings: LocalSettings, addresses: Addresses) -> list[Part]:
    """The services that this machine has to run."""
    parts = [
        Part(
            name="oms-migrations",
            command=(sys.executable, "-m", "alembic", "upgrade", "head"),
            needs=("postgresql",),
            once=True,
            env={"OMS_DATABASE_URL": addresses.database_url},
        )
    ]
    if "reference_data_api" not in addresses.given:
        parts.append(
            Part(
                name="reference-data",
                command=(sys.executable, "-m", "include.services.reference_data"),
                needs=("oms-migrations",),
                env={"OMS_DATABASE_URL": addresses.database_url_of("oms_reference_data")},
                listen=Listen(settings.reference_data_port, "OMS_REFERENCE_DATA_PORT"),
                probe=_answers(settings.reference_data_port, "/readyz"),
            )
        )
    if "thunderhead_api" not in addresses.given:
        parts.append(
            Part(
                name="thunderhead",
                command=(sys.executable, "-m", "include.services.thunderhead"),
                listen=Listen(settings.thunderhead_port, "OMS_THUNDERHEAD_PORT"),
                probe=_answers(settings.thunderhead_port, "/healthz"),
            )
        )
    parts.append(_intake(settings, addresses))
    return parts


def _intake(settings: LocalSettings, addresses: Addresses) -> Part:
    """Raise NotReady until the intake has reference data. A Reference Data API that is not ours is not waited for."""
    own = addresses.intake_reference_data_url == f"http://127.0.0.1:{settings.reference_data_port}"
    return Part(
        name="intake",
        command=(sys.executable, "-m", "gunicorn", "-c", "oms_intake/gunicorn.conf.py", "oms_intake.wsgi:app"),
        needs=("oms-migrations",),
        env={"OMS_DATABASE_URL": addresses.database_url_of("oms_intake")},
        listen=Listen(settings.intake_port, "OMS_INTAKE_PORT"),
        probe=_answers(settings.intake_port, "/readyz" if own else "/healthz"),
    )


def _answers(port: int, path: str) -> Callable[[], None]:
    return lambda: http_answers(f"http://127.0.0.1:{port}{path}")
