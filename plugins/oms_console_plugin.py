"""What Airflow's UI gains: "OMS" in the navigation, and a tab "Requests" on task instances and DAG runs.

Every process of Airflow imports this file, so it imports next to nothing; the console is imported with the first
call to it, and whatever goes wrong then is shown there and leaves Airflow alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/oms"
# Where a browser finds it: Airflow may live under a path of its own.
ADDRESS = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + PREFIX

log = logging.getLogger(__name__)

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class LazyConsole:
    """The console as an ASGI application that is made when it is first called."""

    def __init__(self) -> None:
        self._app: Asgi | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            self._app = await asyncio.to_thread(_make)
        await self._app(scope, receive, send)


def _make() -> Asgi:
    try:
        from plugins.oms_console.app import create_app

        return create_app()
    except Exception:
        log.exception("the OMS console cannot be made")
        return _broken


class ClearsAreKept:
    """Around the whole API server: what Airflow's own buttons on our jobs mean to OMS.

    A clear is kept in the audit trail once it is done. *Mark success* resolves the red requests.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        is_patch = scope.get("method") == "PATCH" and "/dagRuns/" in path
        if not is_patch and not path.endswith(("/clearTaskInstances", "/clear")):
            await self._app(scope, receive, send)
            return
        from plugins.oms_console.clears import is_clear, is_mark, keep_clear, resolve_marked

        parts: list[bytes] = []
        status = 0

        async def received() -> Any:
            message = await receive()
            parts.append(message.get("body", b""))
            return message

        async def sent(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, received, sent)
        if status == 200 and is_clear(scope):
            await keep_clear(scope, b"".join(parts))
        elif status == 200 and is_mark(scope):
            await resolve_marked(scope, b"".join(parts))


async def _broken(_scope: Any, _receive: Any, send: Any) -> None:
    text = b"The OMS console could not be started. Airflow's API server has logged why; correct that and restart it."
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _tab(destination: str) -> dict[str, str]:
    href = f"{ADDRESS}/slices?dag_id={{DAG_ID}}&run_id={{RUN_ID}}&task_id={{TASK_ID}}&map_index={{MAP_INDEX}}"
    return {"name": "Requests", "href": href, "destination": destination, "url_route": f"oms_{destination}"}


class OmsConsole(AirflowPlugin):
    """The operators' console of the Output Management System."""

    name = "oms_console"
    fastapi_apps: list[Any] = [{"app": LazyConsole(), "url_prefix": PREFIX, "name": "OMS console"}]  # noqa: RUF012
    fastapi_root_middlewares: list[Any] = [  # noqa: RUF012
        {"middleware": ClearsAreKept, "args": [], "kwargs": {}, "name": "OMS: who cleared"}
    ]
    external_views: list[Any] = [  # noqa: RUF012  as the base class has it
        {
            "name": "OMS",
            "href": f"{ADDRESS}/",
            "destination": "nav",
            "url_route": "oms",
            "icon": f"{ADDRESS}/static/icon.svg",
            "icon_dark_mode": f"{ADDRESS}/static/icon-dark.svg",
            "nav_top_level": True,
        },
        _tab("task_instance"),
        _tab("dag_run"),
    ]
