"""A container's health check: ``python include/deploy/healthy.py URL [COMPONENT]``. Exit code 0: healthy.

The URL has to answer with success. With a COMPONENT it is Airflow's /api/v2/monitor/health, which knows the heartbeats
of all: that costs a call, where ``airflow jobs check`` costs the start of a whole Airflow.
"""

from __future__ import annotations

import json
import sys
from urllib.request import ProxyHandler, build_opener

PATIENCE_SECONDS = 5
DIRECTLY = build_opener(ProxyHandler({}))  # a proxy of the environment is for what is outside


def unhealthy(url: str, component: str | None = None) -> str:
    """Why it is not healthy; empty where it is."""
    try:
        with DIRECTLY.open(url, timeout=PATIENCE_SECONDS) as answer:
            said = answer.read()
        state = json.loads(said)[component].get("status") if component else "healthy"
    except (OSError, ValueError, KeyError, AttributeError) as error:
        return f"{url}: {error}"
    return "" if state == "healthy" else f"{component} is {state}"


if __name__ == "__main__":
    sys.exit(unhealthy(*sys.argv[1:3]) or None)
