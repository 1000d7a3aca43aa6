"""supervisord reads what was meant, whatever stands in a path or a command."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor.options import ServerOptions

from include.local.part import Part
from include.local.supervisor_config import LONGEST_SOCKET_PATH, socket_path, supervisor_config


def test_commands_and_paths_arrive_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    folder.mkdir()
    server = Part(name="server", command=("run", "two words", "it's", "%(here)s"), stop_signal="INT", stop_seconds=7)
    secrets = {"URL": "postgresql://a:b%20c@h/d?e=f,g", "OTHER": "x y"}
    once = Part(name="once", command=("migrate",), once=True, env=secrets)
    file = folder / "supervisord.conf"
    file.write_text(supervisor_config([server, once], folder, folder))
    options = ServerOptions()
    options.realize(["--configuration", str(file)])
    read = {group.name: group.process_configs[0] for group in options.process_group_configs}
    assert read["server"].command == "run 'two words' 'it'\"'\"'s' '%(here)s'"
    assert read["server"].stdout_logfile == str(folder / "server.log")
    assert (read["server"].stopsignal, read["server"].stopwaitsecs) == (2, 7)
    assert read["once"].environment == secrets
    assert not any(part.autostart for part in read.values())
    assert read["server"].autorestart
    assert not read["once"].autorestart


def test_a_deep_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    assert socket_path(Path("/v")) == Path("/v/supervisord.sock")
    elsewhere = socket_path(tmp_path / ("deep" * 30))
    try:
        assert len(os.fsencode(elsewhere)) <= LONGEST_SOCKET_PATH
        assert elsewhere.parent.stat().st_mode & 0o077 == 0
    finally:
        elsewhere.parent.rmdir()
