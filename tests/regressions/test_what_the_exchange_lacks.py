"""Failures 9 and 11 of the original: what the exchange has is stored as it has it, and what it lacks is accepted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from collectors.gaps import open_gaps
from collectors.messages import GapFound
from collectors.models import Gap, GapStatus
from integrity.checks.check import IntegrityCheck
from integrity.models import JobStatus
from integrity.recovery import queue
from integrity.recovery.planner import start_of
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery
from tests.integrity.archives import Overlay, day_of_trades
from tests.integrity.test_rest_recovery import some_ids, store

MakeRecovery = Callable[..., Recovery]


def test_an_id_hole_of_the_exchange_itself_is_accepted_once_and_not_fetched_again(
    quiet_exchange: RunningExchange, recovery: MakeRecovery
) -> None:
    """Failure 9 of the original: an id hole of the exchange itself meant deleting and reloading for ever."""
    recovered = recovery(quiet_exchange)
    first = some_ids(recovered, 400)
    published = recovered.published(first, first + 399)
    quiet_exchange.fault("absent", symbol="BTCUSDT", first_id=first + 150, last_id=first + 159)
    store(recovered, [*published[:150], *published[160:]], "live")
    recovered.symbol()
    stored = recovered.stored()
    assert IntegrityCheck(recovered.store).run(["BTCUSDT"]).gaps_opened == 1
    (job,) = recovered.run()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, 0)
    absent = Gap.objects.get()
    assert (absent.status, absent.first_id, absent.last_id) == (GapStatus.ABSENT_UPSTREAM, first + 150, first + 159)
    assert absent.evidence["source"] == "rest"
    asked = quiet_exchange.state["rest"]["requests"]
    for _ in range(3):
        assert open_gaps([GapFound("BTCUSDT", first + 150, first + 159, "stream")]) == 0
        run = IntegrityCheck(recovered.store).run(["BTCUSDT"])
        assert (run.missing, run.gaps_opened) == (0, 0)
        assert recovered.again() == []
    assert quiet_exchange.state["rest"]["requests"] == asked
    assert Gap.objects.get() == absent
    assert recovered.stored() == stored


def test_rows_from_archives_keep_the_ids_of_their_trades(
    quiet_exchange: RunningExchange, overlay: Overlay, recovery: MakeRecovery
) -> None:
    """Failure 11 of the original: rows from archives lost first_trade_id and last_trade_id, and with them the number of
    trades in each."""
    recovered = recovery(quiet_exchange, archive_give_up_days=5000)
    trades = day_of_trades("2024-03-02", 1000, 400)
    overlay.write("2024-03-02", trades)
    day = date(2024, 3, 2)
    queue.add_days_job(recovered.symbol(), day, day, source="archive", batch="test")
    (job,) = recovered.run()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, 400)
    # Made up as 3, 6, 9, … times the id, of one to three trades each.
    assert [(row[0], row[3], row[4]) for row in recovered.stored()] == [
        (1000 + n, 3 * (1000 + n), 3 * (1000 + n) + n % 3) for n in range(400)
    ]
    assert recovered.stored() == trades
    midnight = start_of(day) // 1000
    (candle,) = recovered.store.query(
        "candles_first", symbol="BTCUSDT", timeframe=1440, since=midnight, until=midnight + 86_400, limit=10
    )
    assert (candle[9], candle[10]) == (400, 400 + sum(n % 3 for n in range(400)))
