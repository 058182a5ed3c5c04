"""rsync's progress lines as CopyProgress."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.ports.host import CopyProgress
from gacli.transport.rsync_progress import ProgressParser


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"\r         32768   0%    0.00kB/s    0:00:00  \r", [(32768, 3276801, 0.0)]),
        (b"\r      50000000  99%  263.27MB/s    0:00:00  \r", [(50000000, 50252525, 263.27 * 2**20)]),
        (b"\r      50000001 100%    1.50GB/s    0:00:00 (xfr#2, to-chk=0/3)\n", [(50000001, 50000001, 1.5 * 2**30)]),
        (b"\r           500  50%    2.00kB/s\r           750  75%    2.00kB/s\r", [(500, 990, 2048), (750, 990, 2048)]),
        (b"\r           500  50%    2.00kB/s\r           500  50%    2.00kB/s\r", [(500, 990, 2048)]),
        (b"\r             0 100%    0.00kB/s    0:00:00\n", [(0, 0, 0.0)]),
        (b"building file list ...\nrsync: something 12% odd\n", []),
    ],
)
def test_lines(output: bytes, expected: list[tuple[int, int, float]]) -> None:
    found = ProgressParser().feed(output)
    assert [(item.bytes_done, item.rate_bytes_per_s) for item in found] == [(row[0], row[2]) for row in expected]
    for item, row in zip(found, expected, strict=True):
        assert item.bytes_total == pytest.approx(row[1], rel=0.01)


@given(st.integers(1, 10**13), st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 40))
def test_total_is_bounded_and_settles(total: int, permille: list[int], piece: int) -> None:
    done = sorted(total * share // 1000 for share in permille)
    lines = b"".join(b"\r %d %d%% 1.00MB/s 0:00:00 " % (at, at * 100 // total) for at in done)
    parser = ProgressParser()
    found: list[CopyProgress] = []
    for start in range(0, len(lines), piece):
        found += parser.feed(lines[start : start + piece])
    found += parser.end()
    assert [item.bytes_done for item in found] == sorted(set(done))
    assert all(item.bytes_done <= item.bytes_total for item in found)
    percent = done[-1] * 100 // total
    if percent > 0:
        # The last line alone bounds the total this closely.
        assert found[-1].bytes_total <= done[-1] * 100 // percent
        assert found[-1].bytes_total >= done[-1] * 100 // (percent + 1)
