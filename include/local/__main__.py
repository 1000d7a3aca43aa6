"""``python -m include.local``: the whole system on one machine, from the command line."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from include.local.airflow_api import JOBS, AirflowApi
from include.local.environment import bypass_proxies
from include.local.part import LocalError
from include.local.secrets import kept_secrets
from include.local.settings import LocalSettings, local_settings
from include.services.issuer.tokens import add_token_arguments

LOOK_SECONDS = 0.5
INTERRUPTED = 130  # the exit code of a command that Ctrl-C ended
BENCH_PARTS = ("drain", "latency", "idle", "scale-out", "backpressure", "history", "intake", "weather")


def up(options: argparse.Namespace, settings: LocalSettings) -> None:
    """Start everything and stay until Ctrl-C."""
    from include.local.console import say, show_addresses, show_complaints, show_line
    from include.local.stream import LogStream
    from include.local.system import System

    with System(settings, say) as system:
        show_addresses(system)
        show_complaints(system)
        stream = LogStream(settings.log_dir, every_line=options.verbose)
        while True:
            for line in stream.new_lines():
                show_line(line)
            system.watch()
            time.sleep(LOOK_SECONDS)


def demo(_: argparse.Namespace, settings: LocalSettings) -> None:
    """Start everything, make 200 documents, compare what went in with what came out, stop."""
    from include.local.demo.run import run_demo

    run_demo(settings)


def chaos(options: argparse.Namespace, settings: LocalSettings) -> None:
    """Start everything, break it while it works, compare four ledgers, stop."""
    from include.local.chaos.run import run_chaos

    run_chaos(options.requests, options.seed, options.minutes, settings)


def bench(options: argparse.Namespace, settings: LocalSettings) -> None:
    """Measure each figure beside its limit, write docs/benchmarks.md."""
    from include.local.bench.run import run_bench

    run_bench(options.only, settings, ten_million=options.ten_million)


def token(options: argparse.Namespace, settings: LocalSettings) -> None:
    """Print a token for a client of the intake."""
    from include.local.environment import client_token

    print(client_token(settings, options.source_system, subject=options.subject, scopes=options.scopes))


def pause(_: argparse.Namespace, settings: LocalSettings) -> None:
    """Pause the DAGs of both jobs; runs that have begun go on to their end."""
    _set_paused(settings, True)


def resume(_: argparse.Namespace, settings: LocalSettings) -> None:
    """Resume the DAGs of both jobs."""
    _set_paused(settings, False)


def airflow(options: argparse.Namespace, settings: LocalSettings) -> int:
    """Run Airflow's command (dags test, connections test) with a metadata database of its own."""
    from include.local.airflow_command import run_airflow

    return run_airflow(options.arguments, settings)


def reload(_: argparse.Namespace, settings: LocalSettings) -> None:
    """Run the migrations and start Airflow's scheduler, triggerer and DAG processor again: they keep old code."""
    from include.local.console import say
    from include.local.system import System

    System(settings, say).reload()


def new_job(options: argparse.Namespace, _: LocalSettings) -> None:
    """Write a new job: its DAG, its test, its row in the runbook. Print the next three commands."""
    from include.local import new_job as jobs

    print("Written. Next:", *jobs.new_job(options.name, simple=options.simple), sep="\n  ")


def status(_: argparse.Namespace, settings: LocalSettings) -> None:
    """Print every part's state."""
    from include.local.supervisor import Supervisor

    for state in Supervisor(settings.var_dir, settings.log_dir).states().values():
        print(f"{state.name:<20} {state.state:<10} {state.pid or ''}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command that was asked for. Returns its exit code; ``up`` ends with Ctrl-C and exit code 0."""
    options = _parse(arguments)
    bypass_proxies()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return options.command(options, local_settings()) or 0
    except LocalError as error:
        return _fail(str(error))
    except ValidationError as error:
        return _fail("\n".join(["These settings are wrong:", *map(_fault, error.errors(include_url=False))]))
    except KeyboardInterrupt:
        return 0 if options.command is up else INTERRUPTED


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m include.local", description="OMS on one machine.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(command: Callable[[argparse.Namespace, LocalSettings], int | None]) -> argparse.ArgumentParser:
        added = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        added.set_defaults(command=command)
        return added

    add(up).add_argument("--verbose", action="store_true", help="show every line of every part")
    add_token_arguments(add(token))
    breaking = add(chaos)
    breaking.add_argument("--requests", type=int, default=5000, help="how many (default: %(default)s)")
    breaking.add_argument("--seed", type=int, default=1, help="of all chance in it (default: %(default)s)")
    breaking.add_argument("--minutes", type=float, default=12, help="break for so long at most (default: %(default)s)")
    measuring = add(bench)
    measuring.add_argument("--only", action="append", choices=BENCH_PARTS, help="this part, not all; may be repeated")
    measuring.add_argument("--ten-million", action="store_true", help="history: with ten million behind, too")
    add(airflow).add_argument("arguments", nargs=argparse.REMAINDER, help="of Airflow's command: dags test my_dag")
    making = add(new_job)
    making.add_argument("name", help="of the DAG and its file: document_reminder")
    making.add_argument("--simple", action="store_true", help="of stock operators, without the kit")
    for command in (demo, pause, resume, status, reload):
        add(command)
    return parser.parse_args(arguments)


def _set_paused(settings: LocalSettings, paused: bool) -> None:
    secrets = kept_secrets(settings.var_dir / "secrets.json")
    AirflowApi(settings, secrets).set_paused(JOBS, paused)
    print(f"{' and '.join(JOBS)} are {'paused' if paused else 'running'}.")


def _interrupt(*_: object) -> None:
    """Ignore further signals: the first one stops everything in order, within a bound."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _fault(error: ErrorDetails) -> str:
    """The sentence about a wrong setting, with its name in the environment."""
    name = str(error["loc"][0]) if error["loc"] else "OMS_*"
    return f"{name if name.isupper() else f'OMS_{name.upper()}'}: {error['msg']}"


def _fail(text: str) -> int:
    from include.local.console import complain

    complain(text)
    return 1


if __name__ == "__main__":
    sys.exit(main())
