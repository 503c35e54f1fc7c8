"""Batches on disk come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from collectors.batch import Batch, IdRange, columns_of
from collectors.spool import Spool, SpoolCorrupt, SpoolFull
from tests.collectors.trades import trade


def batch(sequence: int, *ids: int, shard: int = 3, epoch: int = 2) -> Batch:
    return Batch(
        shard, epoch, sequence, columns_of([trade(each, "币安人生USDT" if each % 2 else "BTCUSDT") for each in ids])
    )


def test_a_batch_comes_back_column_by_column(tmp_path: Path) -> None:
    spool, one = Spool(tmp_path, 10**6), batch(7, 1, 2, 3, 2**40)
    back = spool.load(spool.save(one))
    assert (back.shard, back.epoch, back.sequence, back.token) == (3, 2, 7, "3:2:7")
    for name in ("symbol", "aggregate_id", "price", "quantity", "first_trade_id", "timestamp", "is_buyer_maker"):
        assert np.array_equal(getattr(back.columns, name), getattr(one.columns, name))


def test_files_of_a_shard_come_in_the_order_they_were_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**6)
    for each in (batch(10, 1), batch(9, 2), batch(2, 3, epoch=11), batch(1, 4, shard=13)):
        spool.save(each)
    assert [path.name for path in spool.files(3)] == ["3-2-9.batch", "3-2-10.batch", "3-11-2.batch"]


def test_a_full_spool_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 200)
    spool.save(batch(1, 1))
    with pytest.raises(SpoolFull, match="SPOOL_MAX_BYTES"):
        spool.save(batch(2, 2))
    assert len(list(tmp_path.iterdir())) == 1
    spool.remove(spool.files(3)[0])
    assert spool.bytes == 0
    spool.save(batch(2, 2))


def test_a_disk_that_cannot_be_written_is_a_full_spool(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SpoolFull):
        Spool(tmp_path / "file", 10**6).save(batch(1, 1))


@pytest.mark.parametrize("damage", [b"", b"\x00\x00\x00\x05abc", None])
def test_a_damaged_file_is_noticed(tmp_path: Path, damage: bytes | None) -> None:
    spool = Spool(tmp_path, 10**6)
    path = spool.save(batch(1, 1, 2, 3))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data) if damage is None else damage)
    with pytest.raises(SpoolCorrupt):
        spool.load(path)


def test_a_batch_names_the_ids_it_holds_as_ranges() -> None:
    ranges = batch(1, 2, 4, 6, 9, 11, 12).id_ranges()
    ids = [(each.symbol, each.first_id, each.last_id) for each in ranges]
    assert ids == [
        *[("BTCUSDT", each, each) for each in (2, 4, 6, 12)],
        *[("币安人生USDT", each, each) for each in (9, 11)],
    ]
    one = Batch(0, 1, 1, columns_of([trade(8), trade(7), trade(9)])).id_ranges()
    assert one == [IdRange("BTCUSDT", 7, 9, trade(7).timestamp, trade(9).timestamp)]
