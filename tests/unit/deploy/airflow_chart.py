"""Which values Airflow's official chart knows, level by level, as its own values.schema.json says.

For another version of the chart, fetch it, write the list anew, and render it with our values:

    helm pull apache-airflow/airflow --version 1.22.0 --untar
    python -m tests.unit.deploy.airflow_chart airflow

The list has only the levels at which our values have keys, and no key that the schema calls deprecated.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from include.local.settings import ROOT

VALUES = ROOT / "include" / "deploy" / "helm" / "airflow-values.yaml"
LIST = Path(__file__).with_name("airflow_chart_values.yaml")
HEAD = (
    "# Keys of values, with their types, of Airflow's official chart {}. Made by tests/unit/deploy/airflow_chart.py.\n"
)
ANYTHING = "anything"  # a map with keys of one's own


def levels(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every map in the values, with its place: ``workers.celery``, ``secret[]``."""
    yield path, values
    for key, value in values.items():
        for it in value if isinstance(value, list) else [value]:
            if isinstance(it, dict):
                yield from levels(it, f"{path}.{key}".lstrip(".") + ("[]" if isinstance(value, list) else ""))


def known(schema: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """What the schema allows at each level that the values have; a level that it does not describe is left out."""
    found = {path: _keys(schema, path) for path, _ in levels(values)}
    return {path: keys for path, keys in found.items() if keys}


def _keys(schema: dict[str, Any], path: str) -> dict[str, str] | str | None:
    at = _resolved(schema, schema)
    for name in filter(None, path.replace("[]", ".[]").split(".")):
        inside = at.get("items") if name == "[]" else at.get("properties", {}).get(name)
        if inside is None:
            return None
        at = _resolved(schema, inside)
    if not at.get("properties"):
        return ANYTHING if at.get("type") == "object" or "$ref" in at else None
    described = {name: _resolved(schema, it) for name, it in at["properties"].items()}
    return {name: _types(it) for name, it in sorted(described.items()) if "deprecated" not in it.get("description", "")}


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref", "")
    if not reference or "io.k8s" in reference:  # Kubernetes' own types have schemas of their own
        return part
    return {**schema["definitions"][reference.rpartition("/")[2]], **part}


def _types(part: dict[str, Any]) -> str:
    types = part.get("type", ANYTHING)
    return "|".join(types) if isinstance(types, list) else str(types)


def rendered(chart: Path, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The manifests that Helm makes of the chart with these values. Raises what Helm has against them."""
    from helm_python import Chart

    loaded = Chart.load(chart)
    loaded.validate_schema(values)
    for name, text in loaded.render(values, name="airflow", namespace="oms").items():
        if name.endswith("NOTES.txt"):
            assert "DEPRECATION" not in text, text
        else:
            yield from filter(None, yaml.safe_load_all(text))


def main() -> None:
    """Render the unpacked chart with our values, check the manifests, write the list."""
    from kubernetes_validate import validate  # type: ignore[import-untyped]

    chart = Path(sys.argv[1])
    values = yaml.safe_load(VALUES.read_text())
    for manifest in rendered(chart, values):
        validate(manifest, "1.30", strict=True)
        assert "/entrypoint" not in (text := yaml.safe_dump(manifest)), manifest["metadata"]["name"]
        assert "/clean-logs" not in text, manifest["metadata"]["name"]
    version = yaml.safe_load((chart / "Chart.yaml").read_text())["version"]
    schema = json.loads((chart / "values.schema.json").read_text())
    LIST.write_text(
        HEAD.format(version)
        + yaml.safe_dump(known(schema, values), sort_keys=False, default_flow_style=None, width=115)
    )


if __name__ == "__main__":
    main()
