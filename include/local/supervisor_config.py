"""supervisord's configuration file (supervisord.org), with the parts."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from include.local.part import LocalError, Part
from include.local.settings import ROOT

LONGEST_SOCKET_PATH = 90  # the kernel takes 107 characters, and supervisord appends its pid for a moment
RPC_INTERFACE = "supervisor.rpcinterface:make_main_rpcinterface"


def supervisor_config(parts: Iterable[Part], var_dir: Path, log_dir: Path) -> str:
    """The whole file. No part starts by itself. Each is restarted when it dies, except those that run once."""
    return "\n".join([_daemon_section(var_dir, log_dir), *(_part_section(part, log_dir) for part in parts)])


def socket_path(var_dir: Path) -> Path:
    """In var_dir; where its path is too long for a socket, in a private folder of the temporary directory."""
    path = var_dir / "supervisord.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    folder = Path(tempfile.gettempdir()) / f"oms-{os.geteuid()}-{sha256(os.fsencode(var_dir)).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise LocalError(f"{folder} is another user's: set OMS_VAR_DIR to a shorter path.")
    return folder / "supervisord.sock"


def _daemon_section(var_dir: Path, log_dir: Path) -> str:
    daemon = {
        "nodaemon": "true",
        "logfile": str(log_dir / "supervisord.log"),
        "logfile_maxbytes": "1MB",
        "logfile_backups": "1",
        "pidfile": str(var_dir / "supervisord.pid"),
        "childlogdir": str(log_dir),
        "minfds": "256",
    }
    if os.geteuid() == 0:
        daemon["user"] = "root"  # explicit, or it would warn
    return "\n".join(
        [
            _section("supervisord", daemon),
            _section("unix_http_server", {"file": str(socket_path(var_dir)), "chmod": "0600"}),
            _section("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": RPC_INTERFACE}),
        ]
    )


def _part_section(part: Part, log_dir: Path) -> str:
    more = {"user": part.user} if part.user else {}
    if part.env:  # addresses: supervisord knows no way to write a quote in a value
        more["environment"] = ",".join(f'{name}="{value}"' for name, value in part.env.items())
    return _section(
        f"program:{part.name}",
        {
            "command": shlex.join(part.command),
            "directory": str(ROOT),
            "autostart": "false",
            "autorestart": "false" if part.once else "true",
            "startsecs": "0" if part.once else "2",
            "startretries": "5",
            "stopsignal": part.stop_signal,
            "stopwaitsecs": str(part.stop_seconds),
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": str(log_dir / f"{part.name}.log"),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "2",
            **more,
        },
    )


def _section(name: str, values: Mapping[str, str]) -> str:
    """A section of its INI file, in which a percent sign starts a substitution unless doubled."""
    return "\n".join([f"[{name}]", *(f"{key}={value.replace('%', '%%')}" for key, value in values.items()), ""])
