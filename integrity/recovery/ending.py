"""Running one claimed job to its end, and what the queue is told: which trouble costs an attempt, which only time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from collectors.binance.archive import ArchiveUnreachable, FolderUnusable
from collectors.binance.archive import GaveUp as DownloadGivenUp
from collectors.binance.rest import Banned, Blocked, ExchangeProblem, GaveUp, RateLimited
from dataprovider.clickhouse import ClickHouseError, ClickHouseRejected, ClickHouseUnavailable, StaleClaim, StaleEpoch
from dataprovider.clickhouse.shards import shard_of
from integrity.models import JobKind, RecoveryJob
from integrity.recovery.daysrecovery import DaysRecovery
from integrity.recovery.fill import Stopped, Unsettled
from integrity.recovery.idsrecovery import IdsRecovery
from integrity.recovery.ledger import Ledger
from integrity.recovery.outcome import Done, JobProblem, Outcome
from integrity.recovery.queue import Progress
from integrity.recovery.tools import Tools

logger = logging.getLogger(__name__)


def end_of(
    job: RecoveryJob, tools: Tools, progress: Progress, give_up: Callable[[], bool], ledger: Ledger
) -> Callable[[], object] | None:
    """Run it; what is to be said to the queue, None when the job is not this run's any more."""

    def later(reason: object, seconds: float) -> Callable[[], object]:
        return lambda: ledger.put_back(job, progress, str(reason), seconds=seconds)

    try:
        outcome = _run(job, tools, progress, give_up, ledger)
    except (Stopped, GaveUp, DownloadGivenUp):
        return lambda: _handed_back(job, progress, ledger)
    except Unsettled:
        return lambda: _revoked(job, tools, progress, ledger)
    except StaleClaim:
        logger.warning("%s was given to another worker.", job)
        return None
    except StaleEpoch:
        return later("Its shard changed hands in this moment.", 1.0)
    except Banned as problem:
        return later(problem, 60.0)
    except Blocked as problem:
        return later(problem, 300.0)
    except RateLimited as problem:
        return later(problem, 5.0)
    except (ClickHouseUnavailable, ArchiveUnreachable, FolderUnusable, ExchangeProblem) as problem:
        return later(problem, 15.0)
    except RedisError:
        return later("Valkey does not answer, and without it nobody knows how often the exchange may be asked.", 10.0)
    except (JobProblem, ClickHouseRejected) as problem:
        reason = str(problem)
        return lambda: ledger.failed(job, progress, reason)
    except DatabaseError:
        raise
    except Exception as error:
        logger.exception("%s failed.", job)
        reason = f"{type(error).__name__}: {error}"
        return lambda: ledger.failed(job, progress, reason)
    if isinstance(outcome, Done):
        text = outcome.text
        return lambda: ledger.finish(job, progress, text)
    return later(outcome.reason, outcome.seconds)


def _run(job: RecoveryJob, tools: Tools, progress: Progress, give_up: Callable[[], bool], ledger: Ledger) -> Outcome:
    if job.kind == JobKind.IDS:
        return IdsRecovery(job, tools, progress, give_up, ledger).run()
    return DaysRecovery(job, tools, progress, give_up).run()


def _revoked(job: RecoveryJob, tools: Tools, progress: Progress, ledger: Ledger) -> None:
    """An insert may still be under way: only when it cannot be any more may anybody look at what is missing."""
    assert job.claim is not None
    try:
        tools.store.revoke_claim(job.claim, shard=shard_of(job.symbol.name))
    except ClickHouseError as error:
        logger.warning("%s %s stays claimed until its lease has run out.", error, job)
        return
    ledger.put_back(job, progress, "ClickHouse did not answer an insert.", seconds=5.0)


def _handed_back(job: RecoveryJob, progress: Progress, ledger: Ledger) -> None:
    if ledger.is_cancelled(job):
        ledger.cancelled(job, progress)
    else:
        ledger.put_back(job, progress, "Its worker stopped; it goes on where it was.", seconds=0.0)
