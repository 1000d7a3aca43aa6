"""``python -m include.local``: the whole system on one machine, from the command line."""

from __future__ import annotations

import signal
import sys
import time

from include.local.part import LocalError
from include.local.settings import local_settings
from include.local.system import System


def main() -> int:
    """Run the command that was asked for; its exit code."""
    system = System(local_settings())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with system:
            print(system.env)
            while True:
                time.sleep(0.5)
                system.watch()
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
