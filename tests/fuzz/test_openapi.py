"""Whatever is asked of an endpoint, its answer is one of those that its documentation names."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from ninja.responses import NinjaJSONEncoder
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.rest import api
from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer
from tests.api.test_health import AWAY
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.rows import make_gap, make_symbol
from tests.nodes import only_at
from tests.security.test_guards import new_key

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

#: The same questions in every run.
FUZZ = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
A_FEW = settings(FUZZ, max_examples=3)
CONFORMS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Nothing listens there: no test asks the real exchange.
NO_EXCHANGE = {"BINANCE_REST_URL": "http://127.0.0.1:1"}
MINUTE = 60_000

schema = schemathesis.openapi.from_dict(
    json.loads(json.dumps(api.get_openapi_schema(path_prefix="api/v1/"), cls=NinjaJSONEncoder))
)
OPERATIONS: dict[str, Any] = {each.ok().label: each.ok() for each in schema.get_all_operations()}  # type: ignore[union-attr]


@pytest.fixture
def stored(clickhouse: ClickHouse) -> None:
    """Some minutes of BTCUSDT with a gap."""
    make_gap(make_symbol(), 40, 49)
    rows = [Row(number, NEW_YEAR + number * MINUTE, first=number, last=number) for number in range(100)]
    store(clickhouse, [row for row in rows if not 40 <= row.aggregate_id < 50])


def fuzz(server: Server, label: str, how: settings, checks: list[Any]) -> int:
    """Ask one operation many things; how many."""
    asked = 0
    key = new_key("control")

    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        # Every second one is a symbol that is there.
        if "symbol" in case.path_parameters and asked % 2:
            case.path_parameters["symbol"] = "BTCUSDT"
        answer = case.call(base_url=server.url, headers={"X-API-Key": key} if asked % 3 else {}, timeout=20)
        case.validate_response(answer, checks=checks)

    operation = OPERATIONS[label]
    how(given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))(ask))()
    if list(operation.query):
        # What the documentation does not allow; where nothing may be said there is nothing to say wrong.
        how(given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))(ask))()
    return asked


def test_any_question_gets_a_documented_answer(start_server: StartServer, stored: None) -> None:
    server = start_server(**NO_EXCHANGE)
    asked = 0
    for label in OPERATIONS:
        # Without an exchange to ask, a synchronisation is 503.
        checks = CONFORMS if label.endswith("/system/sync") else [not_a_server_error, *CONFORMS]
        asked += fuzz(server, label, FUZZ, checks)
    assert asked > 150


@pytest.mark.parametrize("service", ["CLICKHOUSE_HOST", "DATABASE_URL", "REDIS_URL"])
def test_also_while_a_service_is_away(start_server: StartServer, stored: None, service: str) -> None:
    away = only_at(1) if service == "CLICKHOUSE_HOST" else {service: AWAY[service]}
    server = start_server(**NO_EXCHANGE, **away)
    asked = 0
    for label in OPERATIONS:
        # Without Valkey a synchronisation waits ten seconds for its turn.
        if not (service == "REDIS_URL" and label.endswith("/system/sync")):
            asked += fuzz(server, label, A_FEW, CONFORMS)
    assert asked > 40
