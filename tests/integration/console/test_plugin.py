"""The plugin leaves Airflow alone: cheap to import, and a console that cannot be made breaks nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[3]


def test_importing_the_plugin_brings_nothing_of_the_console() -> None:
    code = (
        "import airflow.plugins_manager, sys; before = set(sys.modules); import plugins.oms_console_plugin;"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('plugins')))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    loaded = said.strip().splitlines()[-1]
    assert not any(name in loaded for name in ("fastapi", "psycopg", "include.", "aiohttp", "httpx")), loaded


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern")  # Airflow's own
def test_airflow_imports_the_plugin_file_and_nothing_of_the_console() -> None:
    from airflow._shared.module_loading import find_path_from_directory

    found = [path for path in find_path_from_directory(str(ROOT / "plugins"), ".airflowignore", "glob")
             if path.endswith(".py")]  # fmt: skip
    assert str(ROOT / "plugins/oms_console_plugin.py") in found
    assert not [path for path in found if "oms_console/" in path]


async def test_a_console_that_cannot_be_made_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins import oms_console_plugin
    from plugins.oms_console import app

    def broken() -> Any:
        raise RuntimeError("a secret reason")

    monkeypatch.setattr(app, "create_app", broken)
    transport = httpx.ASGITransport(app=oms_console_plugin.LazyConsole())
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as http:
        answer = await http.get("/")
    assert answer.status_code == 503
    assert "could not be started" in answer.text
    assert "secret" not in answer.text


def test_the_console_is_in_the_navigation_and_on_task_instances_and_runs() -> None:
    from plugins.oms_console_plugin import OmsConsole

    views = {view["destination"]: view["href"] for view in OmsConsole.external_views}
    assert set(views) == {"nav", "task_instance", "dag_run"}
    assert "{MAP_INDEX}" in views["task_instance"]
