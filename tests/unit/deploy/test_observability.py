"""What Prometheus, Grafana and the collector are given: it parses, and names only what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.local.settings import ROOT

FOLDER = ROOT / "include" / "deploy" / "observability"
PROMETHEUS = FOLDER / "prometheus"
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
SUFFIXES = ("_bucket", "_count", "_sum", "_total")


def _load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def _known_metrics() -> set[str]:
    """All that can be asked for: the intake's, Airflow's as the collector names them, and Prometheus' own."""
    from oms_intake import metrics

    source = Path(metrics.__file__).read_text()
    ours = set(re.findall(r'"(oms_\w+)"', source))
    ours |= {f"{name}{suffix}" for name in ours for suffix in SUFFIXES}
    spec = find_spec("airflow")
    assert spec is not None
    assert spec.origin
    template = Path(spec.origin).parent / "_shared" / "observability" / "metrics" / "metrics_template.yaml"
    airflow = {f"airflow_{it['name'].replace('.', '_')}" for it in yaml.safe_load(template.read_text())["metrics"]}
    return ours | airflow | {f"{name}_total" for name in airflow} | {"up"}


def _expressions() -> list[str]:
    panels = [panel for file in DASHBOARDS for panel in json.loads(file.read_text())["panels"]]
    rules = [rule for group in _load("prometheus/alerts.yml")["groups"] for rule in group["rules"]]
    return [it["expr"] for panel in panels for it in panel["targets"]] + [rule["expr"] for rule in rules]


def _alerts() -> list[Any]:
    rules = [rule for group in _load("prometheus/alerts.yml")["groups"] for rule in group["rules"]]
    return [rule for rule in rules if "alert" in rule]


def test_every_metric_that_is_shown_or_watched_is_there() -> None:
    used = {name for text in _expressions() for name in re.findall(r"\b(?:oms|airflow)_\w+|\bup\b", text)}
    assert len(used) > 10
    assert used - _known_metrics() == set()


def test_every_dashboard_is_of_one_kind() -> None:
    uids = []
    for file in DASHBOARDS:
        dashboard = json.loads(file.read_text())
        uids.append(dashboard["uid"])
        assert "id" not in dashboard, "Grafana numbers what it provisions"
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
        assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"prometheus"}
    assert len(set(uids)) == len(DASHBOARDS) == 3


def test_data_sources_and_targets_are_services(compose: dict[str, Any]) -> None:
    services = compose["services"].keys()
    sources = _load("grafana/provisioning/datasources/datasources.yaml")["datasources"]
    jobs = _load("prometheus/prometheus.yml")["scrape_configs"]
    addresses = [it["url"].removeprefix("http://") for it in sources]
    addresses += [target for job in jobs for it in job["static_configs"] for target in it["targets"]]
    assert {address.partition(":")[0] for address in addresses} <= services
    provider = _load("grafana/provisioning/dashboards/dashboards.yaml")["providers"][0]
    assert provider["options"]["path"] in {mount["target"] for mount in compose["services"]["grafana"]["volumes"]}


def test_the_collectors_pipelines_are_made_of_what_it_has() -> None:
    collector = _load("otel/collector.yaml")
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= collector[kind].keys()
    assert set(collector["service"]["extensions"]) <= collector["extensions"].keys()


def test_every_alert_names_its_runbook() -> None:
    for rule in _alerts():
        assert (ROOT / rule["annotations"]["runbook"]).exists(), rule["alert"]


def test_prometheus_own_tool_has_nothing_to_say(tmp_path: Path) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("Prometheus' files are parsed, but not checked by promtool: not installed (Debian: prometheus)")
    subprocess.run([promtool, "check", "config", PROMETHEUS / "prometheus.yml"], check=True)
    asked = [text.replace("$__rate_interval", "1m") for text in _expressions()]
    rules = [{"record": f"asked_{number}", "expr": text} for number, text in enumerate(asked)]
    (tmp_path / "dashboards.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    subprocess.run([promtool, "check", "rules", tmp_path / "dashboards.yml"], check=True)


def test_alerts_fire_when_they_should_and_never_by_themselves(tmp_path: Path) -> None:
    if not (promtool := shutil.which("promtool")):
        pytest.skip("the alerts are not tried: promtool is not installed (Debian: prometheus)")
    calls = "oms_intake_call_seconds_count"
    checks = f'{calls}{{route="/healthz",code="200"}}'
    heartbeat = "airflow_scheduler_heartbeat_total"

    def ends(late: float, of: float, **more: str) -> list[tuple[str, str]]:
        """So many ends a minute, some of them later than was promised."""
        labels = ",".join(f'{name}="{value}"' for name, value in {"document_type": "INVOICE", **more}.items())
        seconds = "oms_accepted_to_event_seconds"
        in_time, all_of_them = f'{seconds}_bucket{{le="300.0",{labels}}}', f"{seconds}_count{{{labels}}}"
        return [(in_time, f"0+{of - late}x40"), (all_of_them, f"0+{of}x40")]

    cases = {
        "Airflow sends nothing": ([("up{job='intake'}", "1x40")], set()),
        "all is well": ([(heartbeat, "0+1x40"), (f'{calls}{{route="/v1/x",code="202"}}', "0+60x40")], set()),
        "the scheduler is gone": ([(heartbeat, "0+1x10 _x30")], {"SchedulerAway"}),
        "the scheduler hangs": ([(heartbeat, "0+1x10 10x30")], {"SchedulerAway"}),
        "clients' calls fail, however many checks do not": (
            [(f'{calls}{{route="/v1/x",code="500"}}', "0+1x40"), (checks, "0+600x40")],
            {"IntakeFails"},
        ),
        "ends are told in time, but for one in fifty": (ends(1, 50), set()),
        "one end in ten is late": (ends(5, 50), {"PromiseBurnsSlowly"}),
        "every second end is late": (ends(25, 50), {"PromiseBurnsFast", "PromiseBurnsSlowly"}),
        "a few late ends of a few": (ends(0.1, 0.2), set()),
        "another document type is late": (
            [*ends(0, 500), *ends(25, 50, document_type="POLICY")],
            {"PromiseBurnsFast", "PromiseBurnsSlowly"},
        ),
        "two intakes answer the same": (
            [*ends(5, 50, instance="a"), *ends(5, 50, instance="b")],
            {"PromiseBurnsSlowly"},
        ),
        "a check that fails is no client's call": (
            [(f'{calls}{{route="/v1/x",code="202"}}', "0+60x40"), (checks.replace("200", "503"), "0+60x40")],
            set(),
        ),
    }
    names = {rule["alert"] for rule in _alerts()}
    tests = [
        {
            "name": what,
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in given],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
                    "eval_time": "35m",
                    "exp_samples": [{"labels": "{}", "value": int(name in fires)}],
                }
                for name in sorted(names)
            ],
        }
        for what, (given, fires) in cases.items()
    ]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(PROMETHEUS / "alerts.yml")], "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
