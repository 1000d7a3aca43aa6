"""Ask pip-audit for known vulnerabilities of everything that is pinned; say so where no advisory service answers.

Ends with 1 where a pinned package has a known vulnerability, with 0 where none has one or where nobody could be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = (ROOT / "requirements.txt", *sorted((ROOT / "include" / "deploy").glob("*/requirements.txt")))
IMAGES = ROOT / "include" / "deploy" / "images.toml"
LONGEST_SECONDS = 300


def main() -> int:
    """Audit each lock file, print what was found, and say how old the choice of images is."""
    found = 0
    for lock in LOCKS:
        name = lock.relative_to(ROOT)
        packages = _audited(lock)
        asked = [package for package in packages if "skip_reason" not in package]
        if not asked:
            print(f"{name}: NOT AUDITED, because no advisory service can be reached from here")
            continue
        vulnerable = [package for package in asked if package["vulns"]]
        print(f"{name}: {len(asked)} of {len(packages)} packages audited, {len(vulnerable)} with a known vulnerability")
        for package in vulnerable:
            for vulnerability in package["vulns"]:
                fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
                print(f"  {package['name']} {package['version']}: {vulnerability['id']}, mended in {fixed}")
        found += len(vulnerable)
    oldest = min(it["looked_up"] for it in tomllib.loads(IMAGES.read_text()).values())
    days = (datetime.now(UTC).date() - oldest).days
    print(f"{IMAGES.relative_to(ROOT)}: NOT AUDITED; the oldest version was looked up {days} days ago")
    return 1 if found else 0


def _audited(lock: Path) -> list[dict[str, Any]]:
    options = ["--disable-pip", "--progress-spinner=off", "-f", "json"]
    command = [sys.executable, "-m", "pip_audit", *options, "-r", str(lock)]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
        )
        return list(json.loads(done.stdout)["dependencies"])
    except (subprocess.TimeoutExpired, ValueError):
        return []


if __name__ == "__main__":
    sys.exit(main())
