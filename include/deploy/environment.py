"""Fill .env, and say what it still lacks: ``python3 include/deploy/environment.py fill [--simulator]`` and ``check``.

Needs nothing but Python and, for a development certificate, openssl: a machine for containers needs nothing more.
Nothing that is set is changed. Secrets are told to nobody: they are in .env, which is for its owner alone.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CERTIFICATES = "var/gateway"
LINE = re.compile(r"^(#?)(\w+)=(.*)$", re.MULTILINE)

# The certificate's files are looked for, too: Compose would make a folder where there is none.
FILES = ("OMS_GATEWAY_CERTIFICATE", "OMS_GATEWAY_CERTIFICATE_KEY")
OF_PROFILES = {"simulator": "OMS_THUNDERHEAD_TOKEN", "observability": "GRAFANA_PASSWORD"}
SECRETS: Mapping[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "OMS_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "OMS_INTAKE_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "OMS_JOBS_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "OMS_CONSOLE_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "OMS_REFERENCE_DATA_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "AIRFLOW_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_hex(12),
    "AIRFLOW_FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "AIRFLOW_API_SECRET_KEY": lambda: secrets.token_hex(32),
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_hex(64),
    "OMS_THUNDERHEAD_TOKEN": lambda: secrets.token_hex(24),
    "GRAFANA_PASSWORD": lambda: secrets.token_hex(12),
}


def simulator(token: str) -> dict[str, str]:
    """What points the system at the services of the profile `simulator`."""
    thunderhead = {"conn_type": "http", "host": "http://thunderhead:18082", "password": token}
    return {
        "COMPOSE_PROFILES": "simulator",
        "AIRFLOW_CONN_THUNDERHEAD_API": json.dumps(thunderhead),
        "OMS_JWT_JWKS_URL": "http://issuer:18083/jwks",
        "OMS_JWT_ISSUER": "https://identity.oms.local",
        "OMS_GATEWAY_CERTIFICATE": f"./{CERTIFICATES}/gateway.pem",
        "OMS_GATEWAY_CERTIFICATE_KEY": f"./{CERTIFICATES}/gateway.key",
    }


def fill(folder: Path, *, with_simulator: bool) -> list[str]:
    """Make .env, or add what it lacks. Returns the names that were set."""
    file = folder / ".env"
    text = file.read_text() if file.exists() else (ROOT / ".env.example").read_text()
    wanted = {"COMPOSE_FILE": "docker-compose.airflow.yml"} | {name: make() for name, make in SECRETS.items()}
    if with_simulator:
        wanted |= simulator(values(text).get("OMS_THUNDERHEAD_TOKEN") or wanted["OMS_THUNDERHEAD_TOKEN"])
        if not all((folder / CERTIFICATES / name).exists() for name in ("gateway.pem", "gateway.key")):
            subprocess.run([ROOT / "include/gateway/dev-certificate", folder / CERTIFICATES], check=True)  # noqa: S603
    added = {name: value for name, value in wanted.items() if not values(text).get(name)}
    for name, value in added.items():
        line = f"{name}='{value}'"  # token, hexadecimal or JSON: no quote and no backslash in it
        text, found = re.subn(rf"^#?{name}=.*$", line, text, count=1, flags=re.MULTILINE)
        text += "" if found else f"{line}\n"
    if added or not file.exists():
        draft = folder / ".env.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.replace(file)
    return list(added)


def missing(folder: Path) -> list[str]:
    """What is not set and must be, each with what .env.example says of it; empty: Compose can start."""
    file = folder / ".env"
    if not file.exists():
        return ["there is no .env: make env"]
    example = (ROOT / ".env.example").read_text()
    said = values(file.read_text())
    required = [name for mark, name, value in LINE.findall(example) if not (mark or value)]
    profiles = said.get("COMPOSE_PROFILES", "").split(",")
    required += [name for profile, name in OF_PROFILES.items() if profile in profiles]
    found = [f"{name} is not set: {_about(name, example)}" for name in required if not said.get(name)]
    found += [
        f"{name}: there is no file {said[name]}"
        for name in FILES
        if said.get(name) and not (folder / said[name]).is_file()
    ]
    return found


def values(text: str) -> dict[str, str]:
    """What a .env sets. The last line of a name counts, as for Compose."""
    return {name: value.strip().strip("'\"") for mark, name, value in LINE.findall(text) if not mark}


def _about(name: str, example: str) -> str:
    """The comment above a variable of .env.example."""
    before = example[: re.search(rf"^#?{name}=", example, re.MULTILINE).start()]  # type: ignore[union-attr]
    block = re.split(r"\n\s*\n", before)[-1]
    return " ".join(line.removeprefix("# ") for line in block.splitlines() if line.startswith("# "))


def main() -> int:
    """Run the command. Exit code 1: something is missing."""
    parser = argparse.ArgumentParser(prog="environment.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("fill", "check"))
    parser.add_argument(
        "--simulator", action="store_true", help="set up a Thunderhead and an issuer to develop against"
    )
    options = parser.parse_args()
    if options.command == "fill":
        added = fill(ROOT, with_simulator=options.simulator)
        print(f".env: set {', '.join(added)}" if added else ".env: nothing to add")
    faults = missing(ROOT)
    for fault in faults:
        print(f"! {fault}", file=sys.stderr)
    if not faults:
        print("✓ .env has all that must be set: docker compose up --build")
    return int(options.command == "check" and bool(faults))


if __name__ == "__main__":
    sys.exit(main())
