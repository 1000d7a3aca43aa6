"""Runs the simulator until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal

import uvicorn

from include.services.logs import JSON_LINES
from include.services.thunderhead.app import create_app
from include.services.thunderhead.control import ControlAtStart
from include.services.thunderhead.settings import ThunderheadSettings
from include.services.thunderhead.wire import OpenHttpProtocol

SHUTDOWN_SECONDS = 3  # calls that hang on purpose are not waited for any longer


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; exit 0."""
    settings = ThunderheadSettings()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more after its own orderly end
    uvicorn.run(
        create_app(settings, ControlAtStart()),
        host=settings.service_host,
        port=settings.thunderhead_port,
        log_config=JSON_LINES,
        loop="uvloop",
        http=OpenHttpProtocol,
        ws="none",
        access_log=False,
        proxy_headers=False,
        backlog=4096,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
