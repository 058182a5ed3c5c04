"""Watching to the end, on a clock that moves only when the watcher waits."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from typing import TextIO

import pytest
from rich.console import Console
from support.viewed_job import EPOCH_S, JOB, SCALE, SITES, START, Run, at, finished, moved, started
from typing_extensions import override

from gacli.clock import Anchor
from gacli.core.job import JobState
from gacli.views.follow import Mode, follow

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
SHOW_CURSOR = "\x1b[?25h"


class World:
    """Real time passes when `wait` is called; `script` says what happens at the n-th call."""

    def __init__(self, run: Run, script: Mapping[int, Callable[[], object]] | None = None) -> None:
        self.run = run
        self.script = script or {}
        self.waits = 0
        self.alive = True
        self.epoch_s = EPOCH_S + 28.0 * 3600 / SCALE
        self.out = io.StringIO()
        self.screen = io.StringIO()

    def wait(self, real_s: float) -> None:
        self.waits += 1
        if self.waits > 2000:
            pytest.fail("it never ends")
        self.epoch_s += real_s
        self.script.get(self.waits, lambda: None)()

    def follow(self, mode: Mode, *, after_event: int = 0, out: TextIO | None = None) -> JobState:
        anchor = Anchor(epoch_s=EPOCH_S, start=START, scale=SCALE)
        return follow(
            self.run.store,
            JOB,
            SITES,
            mode=mode,
            is_alive=lambda: self.alive,
            clock_now=lambda: anchor.at_epoch(self.epoch_s),
            wait=self.wait,
            console=Console(file=self.screen, width=100, height=30, force_terminal=True, _environ={}),
            out=out or self.out,
            after_event=after_event,
        )

    def die(self) -> None:
        self.alive = False


def _interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("mode", Mode)
def test_a_job_that_ends_while_it_is_watched(mode: Mode) -> None:
    run = Run()
    world = World(run, {3: lambda: finished(run)})
    assert world.follow(mode) is JobState.DONE
    assert world.waits == 3
    shown = world.screen.getvalue() if mode is Mode.LIVE else world.out.getvalue()
    assert "done" in shown
    assert (world.out.getvalue() == "") is (mode is Mode.LIVE)


def test_lines_end_with_the_summary_and_hold_no_control_codes() -> None:
    run = Run()
    finished(run)
    world = World(run)
    assert world.follow(Mode.LINES) is JobState.DONE
    assert world.waits == 0
    lines = world.out.getvalue().splitlines()
    assert lines[-1].startswith("checkpoint: step 1,200, sha256 ab12")
    assert any(line.startswith("staying at frankfurt would have emitted") for line in lines[-4:])
    assert not CONTROL.search(world.out.getvalue())


def test_json_ends_with_the_summary_whatever_comes_after_it() -> None:
    run = Run()
    finished(run)
    run.event(at(28.3), "note", about="late", message="a late word \x1b[31m")
    world = World(run)
    world.follow(Mode.JSON)
    records = [json.loads(line) for line in world.out.getvalue().splitlines()]
    assert [record["event"] for record in records[-2:]] == ["note", "summary"]
    assert records[-1]["status"] == "done"
    assert [record["event"] for record in records].count("summary") == 1
    assert not CONTROL.search(world.out.getvalue())


@pytest.mark.parametrize("mode", [Mode.JSON, Mode.LINES])
def test_who_comes_after_the_end_still_gets_the_summary(mode: Mode) -> None:
    run = Run()
    finished(run)
    world = World(run)
    assert world.follow(mode, after_event=run.store.journal.last_event_id(JOB)) is JobState.DONE
    lines = world.out.getvalue().splitlines()
    if mode is Mode.JSON:
        (record,) = map(json.loads, lines)
        assert (record["event"], record["emissions_g"] > 0, record["migrations"]) == ("summary", True, 1)
    else:
        assert lines[1].startswith("digits-1 done")


def test_only_events_after_the_given_one_are_shown_and_each_once() -> None:
    run = Run()
    started(run)
    seen = run.store.journal.last_event_id(JOB)

    def many() -> None:
        for number in range(1500):
            run.event(at(8), "note", about="x", message=f"n{number}")

    world = World(run, {
        2: lambda: run.event(at(8), "note", about="x", message="one"),
        5: many,
        6: lambda: run.state(at(8), JobState.STOPPED, "asked for by ga stop"),
    })  # fmt: skip
    assert world.follow(Mode.JSON, after_event=seen) is JobState.STOPPED
    records = [json.loads(line) for line in world.out.getvalue().splitlines()]
    assert [r["message"] for r in records if r["event"] == "note"] == ["one", *(f"n{n}" for n in range(1500))]
    assert [r["event"] for r in records if r["event"] != "note"] == ["job", "summary"]


@pytest.mark.parametrize("mode", Mode)
def test_a_paused_job_ends_the_watching_without_a_summary(mode: Mode) -> None:
    run = Run()
    started(run)
    world = World(run, {4: lambda: run.state(at(9), JobState.PAUSED, "asked for by ga pause")})
    assert world.follow(mode) is JobState.PAUSED
    assert "staying at frankfurt would have emitted 968 g: as much\n" not in world.out.getvalue()
    assert '"event":"summary"' not in world.out.getvalue()


def test_a_paused_job_that_was_asked_to_resume_is_waited_for() -> None:
    run = Run()
    started(run)
    run.state(at(9), JobState.PAUSED, "asked for by ga pause")
    command = run.store.journal.give(JOB, "resume", None, EPOCH_S)

    def resume() -> None:
        run.store.journal.take(command, "resuming")
        run.state(at(9), JobState.PLACING, "resume: asked for")

    world = World(run, {4: resume, 8: lambda: run.state(at(10), JobState.DONE)})
    assert world.follow(Mode.LINES) is JobState.DONE
    assert world.waits == 8


@pytest.mark.parametrize("mode", Mode)
def test_a_dead_controller_ends_the_watching_after_three_real_seconds(mode: Mode) -> None:
    run = Run()
    started(run)
    world = World(run)
    world.script = {10: world.die}
    assert world.follow(mode) is JobState.RUNNING
    assert world.waits == 10 + 13  # more than 3 s in steps of a quarter


def test_a_controller_that_comes_back_in_time_is_not_dead() -> None:
    run = Run()
    started(run)
    world = World(run)
    world.script = {
        10: world.die,
        20: lambda: setattr(world, "alive", True),
        30: world.die,
        40: lambda: run.state(at(9), JobState.FAILED, "why"),
    }
    assert world.follow(Mode.LINES) is JobState.FAILED
    assert world.waits == 40


def test_a_controller_has_ten_seconds_to_come_up() -> None:
    run = Run()
    world = World(run)
    world.alive = False
    assert world.follow(Mode.LINES) is JobState.QUEUED
    assert world.waits == 41


@pytest.mark.parametrize("mode", Mode)
def test_an_interrupt_passes_through_and_the_terminal_is_as_before(mode: Mode) -> None:
    run = Run()
    started(run)
    world = World(run, {3: _interrupt})
    with pytest.raises(KeyboardInterrupt):
        world.follow(mode)
    if mode is Mode.LIVE:
        written = world.screen.getvalue()
        assert written.rstrip().endswith(SHOW_CURSOR)
        assert "\x1b[?1049h" not in written  # never the alternate screen
    assert run.store.jobs.get(JOB).state is JobState.RUNNING


def test_live_leaves_the_last_tables_and_the_summary() -> None:
    run = Run()
    world = World(run, {2: lambda: finished(run)})
    assert world.follow(Mode.LIVE) is JobState.DONE
    after_last_draw = world.screen.getvalue().rsplit("╭─ ", 3)[-1]
    assert "all sites" in world.screen.getvalue()
    assert SHOW_CURSOR in after_last_draw
    assert "digits-1 done after" in after_last_draw.split(SHOW_CURSOR)[-1]


def test_live_keeps_the_last_warnings_in_sight() -> None:
    run = Run()
    started(run)
    run.event(at(8), "warning", about="site", site="milan", message="milan: no capacity")
    world = World(run, {2: _interrupt})
    with pytest.raises(KeyboardInterrupt):
        world.follow(Mode.LIVE)
    assert "milan: no capacity" in world.screen.getvalue()


class _Pipe(io.StringIO):
    """Its reader goes away after some lines."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._left = lines

    @override
    def write(self, text: str) -> int:
        if self._left == 0:
            raise BrokenPipeError(32, "Broken pipe")
        self._left -= 1
        return super().write(text)


@pytest.mark.parametrize("mode", [Mode.LINES, Mode.JSON])
def test_a_reader_that_goes_away_ends_it_quietly(mode: Mode) -> None:
    run = Run()
    moved(run)
    pipe = _Pipe(2)
    assert World(run).follow(mode, out=pipe) is JobState.RUNNING
    assert len(pipe.getvalue().splitlines()) == 2


def test_a_log_shows_signs_of_life() -> None:
    run = Run()
    started(run)
    seen = run.store.journal.last_event_id(JOB)
    world = World(run, {600: lambda: run.state(at(9), JobState.PAUSED, "")})
    world.follow(Mode.LINES, after_event=seen)
    lines = world.out.getvalue().splitlines()
    # 150 real seconds: two heartbeats, a minute of the real clock apart.
    assert len(lines) == 3
    assert all("still running, step 1,240 of 4,000" in line for line in lines[:2])


def test_a_poor_encoding_loses_an_arrow_not_the_log() -> None:
    run = Run()
    finished(run)
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    World(run).follow(Mode.LINES, out=out)
    text = raw.getvalue().decode("ascii")
    assert "frankfurt ? oregon  move" in text
