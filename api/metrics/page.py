"""docs/METRICS.md, made of the catalogue: `python -m api.metrics.page > docs/METRICS.md`."""

from __future__ import annotations

import sys

from api.metrics.catalogue import ALL, Metric

_HEAD = """\
# Metrics

`GET /metrics` of any web process gives the figures of all processes of all hosts, for Prometheus. Labels `owner` and
`worker` name a collector process; figures of a service that does not answer are left out, and its
`dataprovider_service_up` is 0. With `REQUIRE_API_KEY` Prometheus needs a key: `manage.py makeapikey prometheus --scope
read`.

- [`deploy/prometheus/prometheus.yml`](../deploy/prometheus/prometheus.yml): how to scrape it;
  [`alerts.yml`](../deploy/prometheus/alerts.yml) beside it: alerting rules.
- [`deploy/grafana/dataprovider.json`](../deploy/grafana/dataprovider.json): a dashboard; in Grafana: Dashboards, New,
  Import, and choose your Prometheus.

This page is made of `api/metrics/catalogue.py` by `python -m api.metrics.page > docs/METRICS.md`.

| metric | type | unit | labels | meaning | what to do |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    return _HEAD + "".join(map(_line, ALL))


def _line(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    cells = (f"`{metric.exported}`", metric.kind, metric.unit, labels, metric.meaning, metric.advice or "–")
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
