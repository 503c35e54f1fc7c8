"""The stack at rate without faults: memory, file handles, parts, merges and lag must be flat in the end."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import requests

from dataprovider.embedded import ServiceProblem
from dataprovider.running import ChildProblem
from dataprovider.running.terminal import Stopped, stoppable
from tests.campaign.flat import tolerance_of, trend
from tests.campaign.options import Options
from tests.campaign.report import Say, teller
from tests.campaign.stack import Stack
from tests.campaign.stored import Table
from tests.campaign.viewer import Viewer

SAMPLE_SECONDS = 5.0
STATUS_SECONDS = 60.0
#: What a start builds up (imports, pools, the first merges) is not looked at.
WARM_UP_SECONDS = 20.0

#: Figure -> the moments (seconds) and values of its samples; a figure is "<who> <what>".
Samples = dict[str, tuple[list[float], list[float]]]


def soak(options: Options, seconds: float) -> int:
    """Run for so long; 0 if every figure is flat, 1 if not, 2 if the stack did not start, 130 after Ctrl-C."""
    say = teller()
    home = Path(tempfile.mkdtemp(prefix="dataprovider-soak-"))
    stack = Stack(home, options, say, SPOOL_MAX_BYTES="", BUFFER_MAX_ROWS="", INTEGRITY_INTERVAL="60")
    status, line = 0, ""
    try:
        with stoppable():
            stack.start()
            viewer = Viewer(stack.url, stack.symbols, options.seed)
            viewer.start()
            samples, restarts = _watch(stack, say, seconds)
            viewer.stop()
            line, status = _verdict(options, seconds, samples, restarts, viewer.answers)
    except Stopped:
        say("Stopped.")
        status = 130
    except (ServiceProblem, ChildProblem) as problem:
        say(str(problem))
        status = 2
    finally:
        for process in stack.stop():
            say(f"It outlived the stop and was killed: {process}")
            status = status or 1
        if status and not options.keep:
            say(f"Logs and data are kept in {home}.")
        elif not options.keep:
            shutil.rmtree(home, ignore_errors=True)
    if line:
        sys.stdout.write(line + "\n")
    return status


def _watch(stack: Stack, say: Say, seconds: float) -> tuple[Samples, int]:
    samples: Samples = {}
    began = time.monotonic()
    next_sample, next_status, restarts = began + WARM_UP_SECONDS, began, stack.restarts
    while (now := time.monotonic()) < began + seconds:
        stack.tend()
        if now >= next_sample:
            next_sample = now + SAMPLE_SECONDS
            for figure, value in _sample(stack).items():
                times, values = samples.setdefault(figure, ([], []))
                times.append(now - began)
                values.append(value)
        if now >= next_status and samples:
            next_status = now + STATUS_SECONDS
            say(", ".join(f"{name} {_figure(values[-1])}" for name, (_, values) in sorted(samples.items())))
        time.sleep(0.2)
    return samples, stack.restarts - restarts


def _sample(stack: Stack) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, processes in stack.by_name().items():
        memory = handles = 0.0
        for process in processes:
            try:
                memory += process.memory_info().rss / 1e6
                handles += _handles(process.pid)
            except (psutil.Error, OSError):
                continue
        found[f"{name} rss_mb"], found[f"{name} handles"] = memory, handles
        if name == "clickhouse":
            found[f"{name} threads"] = sum(process.num_threads() for process in processes if process.is_running())
    try:
        parts, partitions, merging = Table(stack.config).parts()
        found["ClickHouse parts_in_merges"] = merging
        if partitions:
            found["ClickHouse parts_per_partition"] = parts / partitions
    except requests.RequestException:
        pass
    statuses = stack.farm.statuses()
    if statuses:
        found["workers lag_ms"] = max(each.lag_ms for each in statuses)
        found["workers storage_delay_ms"] = max(each.storage_delay_ms for each in statuses)
    return found


def _figure(value: float) -> str:
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def _handles(pid: int) -> int:
    """Open file handles, without those that ClickHouse keeps of each of its own threads in /proc (three of each)."""
    number = 0
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            number += not str(handle.readlink()).startswith("/proc/")
        except FileNotFoundError:
            continue
    return number


def _verdict(options: Options, seconds: float, samples: Samples, restarts: int, answers: int) -> tuple[str, int]:
    trends = {figure: trend(times, values, tolerance_of(figure)) for figure, (times, values) in sorted(samples.items())}
    flat = bool(trends) and all(each.flat for each in trends.values()) and not restarts
    shown = {
        "soak_s": round(seconds),
        "rate": options.rate,
        "symbols": options.symbols,
        "samples": max((len(values) for _, values in samples.values()), default=0),
        "web_answers": answers,
        "restarts": restarts,
        "flat": flat,
        "not_flat": [figure for figure, each in trends.items() if not each.flat],
        "figures": {
            figure: {
                name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(each).items()
            }
            for figure, each in trends.items()
        },
    }
    return json.dumps(shown), 0 if flat else 1
