"""The job's clock and the state folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.clock import Anchor, ManualClock, SystemClock, anchor_now
from gacli.folders import Folders

START = datetime(2024, 6, 1, tzinfo=UTC)


@given(st.floats(0, 1e9), st.floats(1, 1e5), st.floats(0, 1e5))
def test_the_job_clock_runs_scale_times_as_fast(epoch_s: float, scale: float, passed_s: float) -> None:
    anchor = Anchor(epoch_s=epoch_s, start=START, scale=scale)
    assert anchor.at_epoch(epoch_s) == START
    passed = anchor.at_epoch(epoch_s + passed_s) - START
    # Real seconds since 1970 have about 1e-7 s of float resolution; the scale magnifies it.
    assert passed.total_seconds() == pytest.approx(passed_s * scale, abs=1e-6 + 3e-7 * scale)


def test_without_a_replay_the_clock_shows_real_time() -> None:
    clock = SystemClock(anchor_now())
    assert abs((clock.now() - datetime.fromtimestamp(clock.epoch_s(), UTC)).total_seconds()) < 1.0
    assert clock.scale == 1.0


def test_two_processes_share_the_mapping() -> None:
    anchor = anchor_now(START, 900.0)
    one, other = SystemClock(anchor), SystemClock(anchor)
    assert one.at_epoch(anchor.epoch_s + 4) == other.at_epoch(anchor.epoch_s + 4) == START + timedelta(hours=1)


def test_the_manual_clock_moves_only_when_waited_on() -> None:
    clock = ManualClock(START, scale=60.0)
    assert clock.now() == clock.now() == START
    clock.wait(2.0)
    assert clock.now() == START + timedelta(minutes=2)
    assert clock.epoch_s() == START.timestamp() + 2.0


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"GA_STATE_DIR": "/s/x"}, "/s/x"),
        ({"GA_STATE_DIR": "", "XDG_STATE_HOME": "/xdg"}, "/xdg/ga"),
        ({"GA_STATE_DIR": "", "XDG_STATE_HOME": "", "HOME": "/home/u"}, "/home/u/.local/state/ga"),
    ],
)
def test_where_the_state_lies(environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Folders.of_user().root == Path(expected)


def test_the_state_folder_is_the_users_alone(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "a" / "ga")
    folders.make()
    assert folders.root.stat().st_mode & 0o777 == 0o700
