"""The output on the terminal: steps of the start, the addresses, then the stream of logs."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from include.local.airflow import files_with_dags
from include.local.airflow_api import AirflowApi, airflow_url
from include.local.part import LocalError
from include.local.stream import Line
from include.local.system import System

COLOURS = ("cyan", "green", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta", "bright_blue")
LEVEL_STYLES = {"warning": "yellow", "error": "red", "critical": "bold red"}

console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A step of the runner's own."""
    styles = {"✓": "green", "!": "yellow"}
    console.print(Text(text, style=styles.get(text[:1], "")))


def complain(text: str) -> None:
    """Why the command failed, on standard error."""
    complaints.print(Text(text, style="red"))


def show_addresses(system: System) -> None:
    """Print the addresses and the log-in data."""
    intake = system.env["OMS_INTAKE_URL"]
    rows = {
        "Intake": f"{intake}  (to browse it: {intake}/docs)",
        "Airflow": f"{airflow_url(system.settings)}  (user admin, password {system.env['AIRFLOW_PASSWORD']})",
        "Reference data": system.env["OMS_REFERENCE_DATA_URL"],
        "Thunderhead": system.env["OMS_THUNDERHEAD_URL"],
        "Kafka": f"{system.env['OMS_KAFKA_BOOTSTRAP']}  (topic {system.env['OMS_KAFKA_TOPIC']})",
        "Logs": str(system.settings.log_dir),
        "For your shell": f". {system.settings.var_dir / 'local.env'}",
        "For your DAGs": 'make airflow ARGS="dags test ..."; make reload',
    }
    console.print("\nReady. Ctrl-C stops everything.\n")
    for name, value in rows.items():
        console.print(Text.assemble((f"  {name:<16}", "bold"), value))
    console.print()


def show_complaints(system: System) -> None:
    """Print the reasons why DAGs do not run. A busy Airflow that does not tell them is no reason to stop."""
    try:
        found = AirflowApi(system.settings, system.secrets).complaints(files_with_dags())
    except LocalError as error:
        found = [str(error)]
    for complaint in found:
        say(f"! {complaint}")


def show_line(line: Line) -> None:
    """A line of a part's log; each part has a colour of its own."""
    colour = COLOURS[sum(line.part.encode()) % len(COLOURS)]
    console.print(
        Text.assemble(
            (f"{line.at:%H:%M:%S} ", "dim"),
            (f"{line.part:<15} ", colour),
            (line.text, LEVEL_STYLES.get(line.level, "")),
        )
    )
