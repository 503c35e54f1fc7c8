"""Outages of minutes come back by REST, those of days from the archives, and history comes in unasked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from collectors.models import Gap
from dataprovider.clickhouse import ClickHouse
from integrity.models import ArchiveFile, FileVerdict, JobKind, JobStatus, RecoveryJob
from tests.fixtures_collectors import stored_ids
from tests.integrity.farm import RECOVERING, StartCollectors, StartExchange, started, wait_until_whole
from tests.waiting import wait_until


def test_an_outage_of_everything_is_recovered_inside_the_weight_budget(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    """Minutes of every symbol go by: nearly two minutes of the budget, so that most of one is used up wherever in a
    minute the work begins. The exchange's own count of our requests shows it."""
    limit = 1050
    exchange, collectors = started(start_exchange, start_collectors, symbols=80, rate=200, weight_limit=limit)
    exchange.advance(300)
    exchange.fault("drop_connections")
    wait_until(lambda: Gap.objects.count() > 40, 60, "gaps of most symbols")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse, seconds=400)
    assert sum(RecoveryJob.objects.values_list("rows_stored", flat=True)) > 40_000
    spent = exchange.state["rest"]
    assert spent["refused"] == 0
    assert sum(spent["by_minute"].values()) > 1.6 * limit, spent
    assert 0.8 * limit <= max(spent["by_minute"].values()) <= limit
    assert collectors.stop() == 0


def test_an_outage_of_days_goes_to_the_archives_and_the_rest_to_rest(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(
        start_exchange, start_collectors, symbols=2, rate=1, history_days=0, archive_delay_hours=-1
    )
    before = wait_until(lambda: stored_ids(clickhouse, "BTCUSDT"), 60, "a trade of BTCUSDT")[-1]
    exchange.advance(3 * 86_400)
    exchange.fault("drop_connections")
    wait_until(lambda: Gap.objects.filter(symbol__name="BTCUSDT").exists(), 60, "a gap")
    wait_until_whole(exchange, clickhouse, seconds=180)
    ids = stored_ids(clickhouse, "BTCUSDT")
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert ids[-1] - before > 100_000
    files = set(ArchiveFile.objects.filter(symbol="BTCUSDT").values_list("verdict", flat=True))
    assert files == {FileVerdict.GOOD}
    assert ArchiveFile.objects.filter(symbol="BTCUSDT").count() >= 2
    # By REST alone it would have been a page for every thousand trades; today has no archive yet.
    state = exchange.state
    today = state["now_ms"] % 86_400_000 / 86_400_000
    assert state["rest"]["requests"] < (ids[-1] - before) / 1000 * (today / 3 + 0.25)
    assert collectors.stop() == 0


def test_history_comes_in_by_itself_when_a_beginning_is_set(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=2, rate=1, history_days=3, archive_delay_hours=-1)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    start = (datetime.fromtimestamp(now / 1000, UTC) - timedelta(days=2)).date()
    collectors = start_collectors(exchange, **RECOVERING, HISTORY_START=start.isoformat())
    days = RecoveryJob.objects.filter(kind=JobKind.DAYS)
    wait_until(lambda: days.count() == 2 and not days.exclude(status=JobStatus.DONE).exists(), 60, "both days' files")
    # The hole between history and the stream is judged once a trade is a minute old.
    exchange.advance(130)

    def whole() -> bool:
        ids = stored_ids(clickhouse, "BTCUSDT")
        return len(ids) > 60_000 and ids == list(range(ids[0], ids[-1] + 1))

    wait_until(whole, 180, "two days and today without a hole", every=1.0)
    assert collectors.stop() == 0
