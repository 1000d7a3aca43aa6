"""How the intake is served. Run: ``gunicorn -c oms_intake/gunicorn.conf.py oms_intake.wsgi:app``.

On SIGTERM the server takes no new connections, finishes the calls it has and ends.
"""

import os
import shutil
import socket
import struct
import sys
import tempfile

# Set before prometheus-client is imported, which reads this name then. The directory is this server's own and is made
# new at every start, so that it has no numbers of an earlier server.
_metrics = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="oms-intake-metrics-")

from prometheus_client.multiprocess import mark_process_dead

from oms_intake.settings import intake_settings

try:
    _settings = intake_settings()
except ValueError:
    shutil.rmtree(_metrics)
    raise

bind = f"{_settings.service_host}:{_settings.intake_port}"
workers = _settings.intake_workers
threads = _settings.intake_threads
worker_class = "oms_intake.server.Worker"
worker_connections = 1000  # open connections a process keeps; most are idle
# The workers' heartbeats: in memory if possible, because on a busy disk a worker would seem dead.
worker_tmp_dir = next((folder for folder in ("/dev/shm",) if os.path.isdir(folder)), None)  # noqa: S108
control_socket_disable = True  # it is controlled by signals only
keepalive = 75  # seconds; longer than the gateway's, so that the gateway closes first (RFC 9112, 9.3.1)
backlog = 512
graceful_timeout = 30  # seconds to finish what was accepted; a call takes no longer
timeout = 60  # a process whose main loop is stuck for so long is replaced
limit_request_line = 8190
limit_request_fields = 110  # 100 of a client, and what the gateway adds
limit_request_field_size = 16_380  # a JWT with many claims
forwarded_allow_ips = ""  # forwarded headers are ignored; the intake needs no client address
accesslog = None  # the app logs each call, as JSON
logger_class = "oms_intake.server.ServerLog"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "WARNING", "handlers": ["lines"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["lines"], "propagate": False}},
    "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
    "formatters": {"json": {"()": "oms_intake.logs.JsonFormatter"}},
}


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Bound each wait for a client, at reads and writes. Connections inherit it from the listening socket."""
    sys.setswitchinterval(0.001)  # seconds; a call that computes lets other threads run sooner
    seconds = _settings.intake_client_seconds
    wait = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
    for listener in worker.sockets:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)


def child_exit(server, worker):  # type: ignore[no-untyped-def]
    """Remove the gauges of a process that ended. Its counts stay."""
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server):  # type: ignore[no-untyped-def]
    """In the parent only; an atexit function would run in every process."""
    shutil.rmtree(_metrics, ignore_errors=True)
