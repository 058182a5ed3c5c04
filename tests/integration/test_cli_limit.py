"""`ga limit` on a job that runs: what a machine without GPUs says of it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import Ga, counting

pytestmark = pytest.mark.slow


@pytest.fixture
def ga(own_home: Path, tmp_path: Path) -> Iterator[Ga]:
    with Ga(own_home, tmp_path) as ga:
        yield ga


def test_limit_is_noted_told_and_shown(ga: Ga, tmp_path: Path) -> None:
    running = ga.start("run", counting(tmp_path, steps=240, policy="stay"), "--json")
    running.until_running(1)
    said = ga("limit", "count", "--power", "200").stdout
    assert "count-1: 200 W; " in said
    assert "GPUs are not limited: NVML tells of no GPU here" in said
    answer = ga("limit", "count", "--off", "--json").json()
    assert (answer["job"], answer["limit_id"], answer["power_w"], answer["clock_mhz"]) == ("count-1", 2, None, None)
    assert answer["outcome"]["refused"] == "NVML tells of no GPU here"
    for arguments in (["--power", "200", "--off"], [], ["--power", "-1"], ["--clock", "0"]):
        assert "Invalid value" in ga("limit", "count", *arguments, code=2).stderr
    summary = running.end().summary()
    assert summary["status"] == "done"
    assert "is over (done)" in ga("limit", "count", "--off", code=1).stderr
    lines = ga("watch", "count").lines
    assert any("GPUs are not limited" in line for line in lines)
    ga.wait_until_nothing_is_left()
