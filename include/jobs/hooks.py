"""The providers' hooks, as the jobs use them: every way from Airflow to another system is here.

A data engineer configures ordinary Connections of the HTTP, Kafka and Postgres providers. Each class here names its
Connection, and changes the defaults of its provider that would do harm. See
docs/decisions/0003-the-hooks-call-once.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from airflow.providers.apache.kafka.hooks.produce import KafkaProducerHook
from airflow.providers.http.hooks.http import AsyncHttpSession, HttpAsyncHook, SessionConfig
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import Connection
from asgiref.sync import sync_to_async
from psycopg.conninfo import make_conninfo

from include.oms.base.limits import CONNECT_TIMEOUT_SECONDS
from include.oms.base.settings import Settings, settings
from include.oms.ending.outbox import producer_config
from include.oms.outside.transport import Answer, Transport, answer_to
from include.oms.words.errors import Unavailable

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OPTIONS_OF_OTHERS = {"check_response", "stream", "cert", "trust_env"}  # the provider's own, and those of its sync hook
_IN_NO_HEADER = re.compile(r"[\r\n\0\ud800-\udfff]")


class _OfNoUse(ValueError):
    """The reason why no request can be made of a Connection, without its secrets."""


class SingleCallSession(AsyncHttpSession):
    """The provider's session without its loop of repeats, which costs more CPU than the call when it runs once.

    ``options`` go with each call, over the Connection's own; what aiohttp does not know is left out.
    """

    def __init__(
        self,
        hook: HttpAsyncHook,
        request: Callable[..., Awaitable[aiohttp.ClientResponse]],
        config: SessionConfig,
        method: str,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__(hook, request, config, method)
        self.request = request
        self.options = {
            name: value
            for name, value in {**(config.extra_options or {}), **options}.items()
            if name not in _OPTIONS_OF_OTHERS
        }

    async def run(
        self,
        endpoint: str | None = None,
        data: dict[str, Any] | str | None = None,
        json: dict[str, Any] | str | None = None,
        headers: dict[str, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
    ) -> aiohttp.ClientResponse:
        """Make the call once, and return whatever is answered. Arguments as the provider's."""
        return await self.request(
            f"{self.base_url.rstrip('/')}/{endpoint.lstrip('/')}" if endpoint else self.base_url,
            params=data if self.method == "GET" else None,
            data=None if self.method == "GET" else data,
            json=json,
            headers={**(self.headers or {}), **(headers or {})},
            auth=self.auth,
            **self.options,
            **(extra_options or {}),
        )


class SingleCallHook(HttpAsyncHook):
    """An HTTP Connection whose calls are made once, over one pool, bounded in time and size.

    The provider's own defaults would send a POST again after a 5xx, follow redirects, set no time-out, and reduce an
    error to a text. The Connection's login and password are Basic credentials, its password alone is a bearer token.
    Its extras are headers, and the options that the provider knows (``verify``, ``proxy``). Time-outs are OMS settings.
    """

    def __init__(self, http_conn_id: str | None = None) -> None:
        super().__init__(http_conn_id=http_conn_id or self.default_conn_name, retry_limit=1)

    @classmethod
    async def aget_connection(cls, conn_id: str) -> Connection:
        """The Connection, with its credentials as a header. Raises ValueError for one of no use."""
        connection = without_line_ends(await super().aget_connection(conn_id))
        if _extras(connection).get("srv_lookup"):
            raise _OfNoUse("its extra `srv_lookup` is not supported; name the host itself")
        if connection.login:
            if ":" in connection.login:
                raise _OfNoUse("its login has a colon")
            credentials = aiohttp.encode_basic_auth(connection.login, connection.password or "", encoding="utf-8")
        elif connection.password:
            credentials = f"Bearer {connection.password}"
        else:
            return connection
        connection.login = None
        connection.extra = json.dumps({**_extras(connection), "Authorization": credentials})
        return connection

    @asynccontextmanager
    async def transport(self, settings: Settings) -> AsyncIterator[Transport]:
        """The way to call this system, over one pool of keep-alive connections that is closed with the block.

        The Connection is read once. Raises AirflowNotFoundException where there is none. A Connection that no request
        can be made of is like a system that is out: each call raises Unavailable with the reason.
        """
        why_unusable = await self._why_unusable()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS)
        once = {"allow_redirects": False, "timeout": timeout}
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.concurrency),
            cookie_jar=aiohttp.DummyCookieJar(),  # no call depends on an earlier one
            json_serialize_bytes=msgspec.json.encode,
        ) as session:
            requests = {
                "GET": session.get,
                "POST": session.post,
                "PUT": session.put,
                "PATCH": session.patch,
                "DELETE": session.delete,
            }
            config = SessionConfig(base_url="") if why_unusable else await self.config()
            sessions = {name: SingleCallSession(self, way, config, name, once) for name, way in requests.items()}

            async def call(
                method: str,
                path: str,
                *,
                timeout_seconds: float,
                max_bytes: int,
                json: Any = None,
                params: Mapping[str, str] | None = None,
            ) -> Answer:
                if why_unusable is not None:
                    raise Unavailable(f"Connection {self.http_conn_id}: {why_unusable}")
                sent = sessions[method].run(endpoint=path, json=json, data=None if params is None else dict(params))
                return await answer_to(sent, timeout_seconds=timeout_seconds, max_bytes=max_bytes)

            yield call

    async def _why_unusable(self) -> str | None:
        """Read the Connection; why no request can be made of it, without its secrets."""
        try:
            config = await self.config()
        except _OfNoUse as error:
            return str(error)
        except ValueError:
            return "it cannot be read"
        config.headers = {name: str(value) for name, value in (config.headers or {}).items()}
        for name, value in config.headers.items():
            if not _HEADER_NAME.fullmatch(name) or _IN_NO_HEADER.search(value):
                return f"the header {name!r} cannot be sent; is there a line end in it?"
        if not isinstance((config.extra_options or {}).get("proxy", ""), str):
            return "its extra `proxy` is no URL"
        return None


class ThunderheadHook(SingleCallHook):
    """Thunderhead, by the Connection ``thunderhead_api``."""

    default_conn_name = "thunderhead_api"


class ReferenceDataHook(SingleCallHook):
    """The Reference Data API, by the Connection ``reference_data_api``."""

    default_conn_name = "reference_data_api"


class AlertsHook(SingleCallHook):
    """The webhook for alerts, by the Connection ``oms_alerts``."""

    default_conn_name = "oms_alerts"


class FinalEventsHook(KafkaProducerHook):
    """The producer of final events, by the Connection ``kafka_default``."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """The Connection, whose extras are librdkafka's configuration, with what must hold."""
        connection = without_line_ends(super().get_connection(conn_id))
        connection.extra = json.dumps({**_extras(connection), **producer_config(settings())})
        return connection


class OmsDatabaseHook(PostgresHook):
    """The OMS Database, by the Connection ``oms_db``, with every extra that the provider's hook knows."""

    default_conn_name = "oms_db"

    def conninfo(self) -> str:
        """The libpq connection string. With the extra ``iam`` it holds a token that is valid for some minutes."""
        connection = without_line_ends(self.get_connection(self.get_conn_id()))
        if _extras(connection).get("iam"):
            connection.login, connection.password, connection.port = self.get_iam_token(connection)
        return make_conninfo(
            host=connection.host,
            port=connection.port,
            dbname=connection.schema,
            user=connection.login,
            password=connection.password,
            **{name: value for name, value in _extras(connection).items() if name not in self.ignored_extra_options},
        )


def oms_database_url() -> str:
    """The OMS Database's libpq connection string, out of the Connection ``oms_db``."""
    return OmsDatabaseHook().conninfo()


async def oms_database_url_async() -> str:
    """The same, from inside the triggerer's event loop."""
    return await sync_to_async(oms_database_url)()


def without_line_ends(connection: Connection) -> Connection:
    """A copy of a Connection whose values have no line end, as one that comes out of a mounted file may have."""
    return Connection(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type,
        host=_without_line_end(connection.host),
        schema=_without_line_end(connection.schema),
        login=_without_line_end(connection.login),
        password=_without_line_end(connection.password),
        port=connection.port,
        extra=json.dumps({name: _without_line_end(value) for name, value in _extras(connection).items()}),
    )


def _without_line_end(value: Any) -> Any:
    return value.rstrip("\r\n") if isinstance(value, str) else value


def _extras(connection: Connection) -> dict[str, Any]:
    """The extras. Airflow's ``extra_dejson`` would call its supervisor from within the event loop, to mask them."""
    try:
        extras = json.loads(connection.extra or "{}")
    except ValueError:
        return {}  # as Airflow has it
    return extras if isinstance(extras, dict) else {}
