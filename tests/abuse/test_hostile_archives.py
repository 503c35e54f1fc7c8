"""Archives made to break their reader: refused in a sentence, in bounded memory, and the job knows."""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from integrity.models import ArchiveFile, FileVerdict, JobStatus
from integrity.recovery import queue
from tests.collectors.archive_files import HEADER, Line
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery
from tests.integrity.archives import Overlay, day_of_trades
from tests.integrity.test_rest_recovery import store

DAY = "2024-03-02"
MIDNIGHT = 1_709_337_600_000
CSV = f"BTCUSDT-aggTrades-{DAY}.csv"
GOOD = Line(1, time=MIDNIGHT).text


def zip_of(path: Path, *members: tuple[str, bytes | str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in members:
            made.writestr(name, text)


def with_lies(path: Path, **claims: int) -> None:
    """A zip whose directory says other sizes of its member than are so."""
    zip_of(path, (CSV, (GOOD + "\n") * 1_000_000))
    body = bytearray(path.read_bytes())
    directory = body.index(b"PK\x01\x02")
    for name, at in (("compressed", 20), ("size", 24)):
        if name in claims:
            struct.pack_into("<I", body, directory + at, claims[name])
    path.write_bytes(body)


def with_a_huge_directory(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        for number in range(20_000):
            made.writestr(f"{number}.csv", b"")


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a bomb": (lambda path: zip_of(path, (CSV, b"1" * 300_000_000)), "which no trades do"),
    "a bomb that hides": (lambda path: with_lies(path, compressed=0x7FFFFFFF, size=0x7FFFFFF0), "longer than itself"),
    "a bomb that says it is small": (lambda path: with_lies(path, size=1000), "CRC"),
    "a directory of 20,000 files": (with_a_huge_directory, "directory"),
    "no member": (zip_of, "holds nothing"),
    "two members": (lambda path: zip_of(path, (CSV, GOOD), ("../../../etc/cron.d/x", GOOD)), "one CSV"),
    "a path that leads out": (
        lambda path: zip_of(path, ("../../../../tmp/BTCUSDT-aggTrades-2023-01-01.csv", GOOD)),
        "another archive's",
    ),
    "a name of 60,000 characters": (
        lambda path: zip_of(path, ("X" * 60_000 + "-aggTrades-2023-01-01.csv", GOOD)),
        "another archive's XXX",
    ),
    "absurd numbers": (lambda path: zip_of(path, (CSV, f"{'9' * 400},1e99,-1,1,1,{MIDNIGHT},true\n")), "line 1"),
    "quotes": (lambda path: zip_of(path, (CSV, f'"1\n","2",1,1,1,{MIDNIGHT},true\n')), "line 1"),
    "NUL bytes": (lambda path: zip_of(path, (CSV, f"{HEADER}\n1,1,1,1,1,{MIDNIGHT},true\0\n")), r"\\x00"),
    "a line of 20 MB": (
        lambda path: zip_of(path, (CSV, f"{GOOD}\n" + "".join(map(str, range(4_000_000))))),
        "more than 4000000 bytes",
    ),
    "a line of a million columns": (
        lambda path: zip_of(path, (CSV, f"{GOOD}\n" + "," * 1_000_000 + "\n")),
        "columns instead of 7",
    ),
    "lines without anything": (
        lambda path: zip_of(path, (CSV, f"{GOOD}\n" + "\n" * 3_000_000)),
        "1 columns instead of 7",
    ),
    "one trade a million times": (lambda path: zip_of(path, (CSV, (GOOD + "\n") * 1_000_000)), "no trades|times"),
}

READ = """
import resource, sys
from datetime import date
from pathlib import Path
from collectors.binance.archivefile import read_days
from collectors.binance.archive import ArchiveName, ArchiveProblem
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(list(read_days(path, ArchiveName.daily("BTCUSDT", date(2024, 3, 2)), path.parent)))
except ArchiveProblem as problem:
    print(problem)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)
"""


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return Overlay(tmp_path / "overlay")


@pytest.mark.parametrize("what", BAD)
def test_memory_stays_bounded(tmp_path: Path, what: str) -> None:
    path = tmp_path / f"BTCUSDT-aggTrades-{DAY}.zip"
    BAD[what][0](path)
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True, timeout=60)
    assert "cannot be used" in done.stdout
    assert re.search(BAD[what][1], done.stdout)
    assert len(done.stdout) < 700
    # Kilobytes: two blocks of 4 MB, their rows, and what reading them takes.
    assert int(done.stderr) < 150_000
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_job_waits_with_the_reason_stores_nothing_and_deletes_nothing(
    start_exchange: Callable[..., RunningExchange], recovery: Callable[..., Recovery], overlay: Overlay
) -> None:
    exchange = start_exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay.folder)
    recovered = recovery(exchange, archive_give_up_days=5000)
    trades = day_of_trades(DAY, 1000, 400)
    overlay.write(DAY, trades)
    path = overlay.path(DAY)
    store(recovered, trades[:100], "live")
    day = date.fromisoformat(DAY)
    job = queue.add_days_job(recovered.symbol(), day, day, source="auto", batch="test")[0]
    for attempt, what in enumerate(list(BAD)[: queue.MOST_ATTEMPTS], 1):
        BAD[what][0](path)
        beside = path.with_name(path.name + ".CHECKSUM")
        beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
        (job,) = recovered.again()
        assert job.attempts == attempt
        assert path.name in job.reason
        assert len(job.reason) < 600
        assert ArchiveFile.objects.get(date=DAY).verdict == FileVerdict.UNREADABLE
        assert recovered.stored() == trades[:100]
    assert job.status == JobStatus.FAILED
    assert recovered.again() == []
