"""Lint the SQL with squawk: migrations for locks that stop everybody else, queries for their syntax.

A migration is shown as Alembic would run it; those of a release have been run and are left alone. A query is shown with
its values numbered, as PostgreSQL sees it; tests/integration/test_indexes.py has a real PostgreSQL plan each of them.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from include.oms.base.queries import load

ROOT = Path(__file__).parent.parent
LAST_RELEASED = "0082"  # the newest migration of the last release; a release moves it
PACKAGES = ("include.oms", "include.services.reference_data", "include.local.bench")
VALUE = re.compile(r"%\((\w+)\)[sb]")


def migrations() -> Iterator[tuple[str, str]]:
    """Name and SQL of every migration since the last release."""
    script = ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini")))
    for revision in script.iterate_revisions("head", LAST_RELEASED):
        output = io.StringIO()
        options = {"as_sql": True, "transactional_ddl": True, "output_buffer": output}
        context = MigrationContext.configure(dialect_name="postgresql", opts=options)
        context.impl.command_terminator = "\n;"  # a statement may end in a comment
        with Operations.context(context):
            revision.module.upgrade()
        yield f"migration_{revision.revision}", f"BEGIN;\n{output.getvalue()}COMMIT;\n"


def queries() -> Iterator[tuple[str, str]]:
    """Name and SQL of every query, each value as $1, $2 and so on."""
    for package in PACKAGES:
        for name, text in load(package).items():
            numbered: str = text
            for number, value in enumerate(dict.fromkeys(VALUE.findall(text)), start=1):
                numbered = re.sub(rf"%\({value}\)[sb]", f"${number}", numbered)
            yield name, numbered.replace("%%", "%") + "\n"


def main() -> int:
    """Squawk's own exit status."""
    with TemporaryDirectory() as folder:
        for name, text in (*migrations(), *queries()):
            Path(folder, f"{name}.sql").write_text(text, encoding="utf-8")
        files = sorted(file.name for file in Path(folder).iterdir())
        squawk = Path(sys.executable).parent / "squawk"
        command = [str(squawk), "--config", str(ROOT / ".squawk.toml"), *files]
        return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603 - our own linter


if __name__ == "__main__":
    sys.exit(main())
