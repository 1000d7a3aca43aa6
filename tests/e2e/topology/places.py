"""Where on this machine the things are that the compose file names: ports on loopback, folders below one of ours."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from include.oms.testing.kafka import free_port

# What containers listen on. Each number is only one service's, so that it says which.
PORTS = {
    "postgres": 5432, "redis": 6379, "kafka": 9092, "reference-data": 18081, "thunderhead": 18082, "intake": 18080,
    "gateway": 8443, "airflow-api-server": 8080,
}  # fmt: skip
FOLDERS = ("/opt/airflow", "/opt/oms", "/opt/gateway", "/var/lib/oms", "/run/oms-gateway", "/run/secrets")
PROGRAMS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])


class Places:
    """Puts this machine's places for the containers'."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in PORTS}

    def here(self, value: Any, root: Path) -> str:
        """A value of an environment or a word of a command, as it is on this machine.

        ``root`` is where the files of the service's own image are.
        """
        text = str(value)
        for name, number in PORTS.items():
            text = re.sub(rf"(?:\b{name}|127\.0\.0\.1):{number}\b", f"127.0.0.1:{self.ports[name]}", text)
        text = text.replace("/opt/venv/bin:$PATH", PROGRAMS)
        for path in FOLDERS:
            base = root if (root / path[1:]).exists() else self.folder
            text = text.replace(path, str(base / path[1:]))
        return text

    def path(self, container_path: str) -> Path:
        """The folder or file that stands for one that is no image's own: a volume, a secret."""
        return self.folder / container_path[1:]

    def listening(self, service: str) -> dict[str, str]:
        """The settings by which a part listens where its places are; in a container it has its own address."""
        port = str(self.ports.get(service, ""))
        return {
            "reference-data": {"OMS_SERVICE_HOST": "127.0.0.1", "OMS_REFERENCE_DATA_PORT": port},
            "thunderhead": {"OMS_SERVICE_HOST": "127.0.0.1", "OMS_THUNDERHEAD_PORT": port},
            "intake": {"OMS_SERVICE_HOST": "127.0.0.1", "OMS_INTAKE_PORT": port},
            "gateway": {
                "OMS_GATEWAY_PORT": f"127.0.0.1:{port}",
                "OMS_GATEWAY_INNER_PORT": str(free_port()),
                "OMS_GATEWAY_RESOLVER": "",  # there is none; Debian's nginx could not ask it either
            },
            "airflow-api-server": {"AIRFLOW__API__HOST": "127.0.0.1", "AIRFLOW__API__PORT": port},
        }.get(service, {})
