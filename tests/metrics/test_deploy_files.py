"""The Grafana dashboard, Prometheus' rules and the page about metrics speak of what /metrics really has.

That /metrics has exactly what is in the catalogue is tested beside this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from api.metrics.catalogue import ALL, Metric
from api.metrics.page import page
from integrity.models import JobStatus

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
KNOWN = {metric.exported: metric for metric in ALL}
#: What Prometheus itself adds.
ITS_LABELS = {"instance", "job"}
ITS_METRICS = {"up"}
#: In no panel, and why.
NOT_SHOWN: dict[str, str] = {}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "dataprovider.json").read_text())
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def questions() -> Iterator[tuple[str, str, str]]:
    """Of panels and rules: the title, the expression, the text that names labels of its answer."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m"), target["legendFormat"]
    for rule in rules():
        yield rule["alert"], rule["expr"], str(rule["annotations"])


def parts(expression: str) -> list[Any]:
    """Everything an expression is made of; raises ValueError when Prometheus would refuse it."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expression), lambda part: found.append(part))
    return found


def selected(expression: str) -> list[Any]:
    return [part for part in parts(expression) if isinstance(part, promql_parser.VectorSelector)]


@pytest.mark.parametrize(("title", "expression", "text"), list(questions()))
def test_every_question_is_about_what_there_is(title: str, expression: str, text: str) -> None:
    used = selected(expression)
    assert used
    labels = set(ITS_LABELS)
    for each in used:
        assert each.name in KNOWN or each.name in ITS_METRICS, f"/metrics has no {each.name}"
        own = set(KNOWN[each.name].labels) if each.name in KNOWN else set()
        labels |= own
        assert {matcher.name for matcher in each.matchers.matchers} <= own | ITS_LABELS
        if each.name == "dataprovider_recovery_jobs":
            asked = {word for matcher in each.matchers.matchers for word in matcher.value.split("|")}
            assert asked <= set(JobStatus.values)
    for part in parts(expression):
        if isinstance(part, promql_parser.AggregateExpr):
            grouped = set(part.modifier.labels) if part.modifier else set()
            assert grouped <= labels
        if isinstance(part, promql_parser.MatrixSelector):
            assert str(part.vector_selector.name).endswith("_total"), "a rate of what is no counter"
    outermost = next((part for part in parts(expression) if isinstance(part, promql_parser.AggregateExpr)), None)
    left = labels if outermost is None else set(outermost.modifier.labels) if outermost.modifier else set()
    assert {a or b for a, b in re.findall(r"\{\{(\w+)\}\}|\$labels\.(\w+)", text)} <= left


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {each.name for panel in panels() for target in panel["targets"] for each in _in(target)}
    assert KNOWN.keys() - shown == NOT_SHOWN.keys()


def _in(target: dict[str, Any]) -> list[Any]:
    return selected(target["expr"].replace("$__rate_interval", "5m"))


def test_the_dashboard_can_be_imported_for_any_prometheus() -> None:
    found = dashboard()
    assert found["id"] is None
    assert [(each["name"], each["type"], each["query"]) for each in found["templating"]["list"]] == [
        ("datasource", "datasource", "prometheus")
    ]
    for panel in panels():
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    cells = [cell for panel in found["panels"] for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells), "panels lie on each other"


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    return [(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])]


def test_prometheus_finds_the_rules_and_the_address() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert [(PROMETHEUS / name).is_file() for name in config["rule_files"]] == [True]
    (scrape,) = config["scrape_configs"]
    assert (scrape["job_name"], scrape["metrics_path"]) == ("dataprovider", "/metrics")
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert {"summary", "description"} == rule["annotations"].keys()


def test_the_page_about_metrics_is_that_of_the_catalogue() -> None:
    written = (ROOT / "docs" / "METRICS.md").read_text()
    assert written == page(), "run: python -m api.metrics.page > docs/METRICS.md"


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_name_says_its_unit(metric: Metric) -> None:
    for suffix in ("seconds", "bytes"):
        assert (metric.unit == suffix) == metric.name.endswith(f"_{suffix}")
