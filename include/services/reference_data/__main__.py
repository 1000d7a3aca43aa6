"""Run the Reference Data API until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal

import uvicorn

from include.services.logs import JSON_LINES
from include.services.reference_data.app import create_app
from include.services.reference_data.settings import ReferenceDataSettings


def main() -> None:
    """Serve. The exit code is 0 after a requested stop."""
    settings = ReferenceDataSettings()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again after its own shutdown
    uvicorn.run(
        create_app(settings),
        host=settings.service_host,
        port=settings.reference_data_port,
        log_config=JSON_LINES,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
