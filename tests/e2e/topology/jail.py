"""What a container may not do, a process here may not do either: by the kernel's own means, where we are root.

The root file system is read-only but for volumes and tmpfs, the user is the image's, there are no capabilities (but the
one to read, for Python and its packages may lie where only root looks) and no way to get any.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

READ = "dac_read_search"
TMP = Path("/tmp")
# A /tmp of its own, as a container has it; but where the repository lies there, it has to stay in sight.
OWN_TMP = (
    "mount --bind /tmp /tmp"
    if any(Path(path).is_relative_to(TMP) for path in (__file__, sys.prefix, sys.base_prefix))
    else "mount -t tmpfs -o mode=1777 tmpfs /tmp"
)
SCRIPT = f"""
mount --make-rprivate /
while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done
shift
{OWN_TMP}
mount -o remount,ro,bind /
exec "$@"
"""


def jailed(command: Sequence[str], *, user: int, writable: Sequence[Path]) -> list[str]:
    """The command that runs ``command`` so; itself where this machine does not let us."""
    if not possible():
        return list(command)
    return _jail(command, user, writable)


def _jail(command: Sequence[str], user: int, writable: Sequence[Path]) -> list[str]:
    who = [f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
    caps = [f"--{kind}=-all,+{READ}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return [
        *("unshare", "--mount", "sh", "-euc", SCRIPT, "sh", *map(str, writable), "--"),
        *("setpriv", *who, *caps, *command),
    ]


@cache
def possible() -> bool:
    """Whether this machine lets us."""
    try:
        done = subprocess.run(_jail(["true"], 50000, []), capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0
