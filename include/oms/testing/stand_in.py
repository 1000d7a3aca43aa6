"""``python -m include.oms.testing.stand_in PORT``: an outside system for a new job to meet under ``make up``.

It takes every call, says so, and keeps the effects as `FakeSystem` does. ``--refuse 1`` answers the first one with 422.
"""

from __future__ import annotations

import argparse
import logging

from aiohttp import web

from include.oms.testing.items import FakeSystem, problem


def main() -> None:
    """Serve on loopback until Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--refuse", type=int, default=0, help="so many effects at first (default: %(default)s)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    outside = FakeSystem(answers=[problem(422)] * options.refuse)
    web.run_app(outside.app(), host="127.0.0.1", port=options.port, access_log_format='%s "%r"')


if __name__ == "__main__":
    main()
