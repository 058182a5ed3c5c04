"""Plain lines: what a log of a run says, and how seldom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from support.viewed_job import EPOCH_S, JOB, START, Run, at, finished, moving
from syrupy.assertion import SnapshotAssertion

from gacli.core.job import JobState
from gacli.store.journal import Event, Progress
from gacli.views.lines import Lines
from gacli.views.summary_text import summary_lines

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def event(kind: str, *, real_s: float = 0.0, **body: object) -> Event:
    return Event(event_id=1, job_id=JOB, at=START, epoch_s=EPOCH_S + real_s, kind=kind, body=body)


def told(lines: Lines, *events: Event) -> list[str]:
    """What is said of these events, without the time."""
    return [line.removeprefix("2024-06-03 00:00 UTC  ") for event in events for line in lines.of(event)]


def placement(state: str, **body: object) -> Event:
    known: dict[str, Any] = {
        "purpose": "move",
        "source": "frankfurt",
        "target": "oregon",
        "reason": "cleaner",
        "detail": "",
    }
    return event("placement", placement=1, state=state, **(known | body))


def step(real_s: float, *, key: str = "fetch:x:y", what: str = "copying checkpoint", done: float = 12.3e6) -> Event:
    return event(
        "step", real_s=real_s, key=key, what=what, detail="", done=done, total=40e6, unit="bytes", rate=8.1e6
    )  # fmt: skip


def progress(real_s: float, at_step: int = 1240) -> Event:
    return event(
        "progress", real_s=real_s, generation=1, site="oregon", step=at_step, total_steps=4000, loss=0.1234,
        steps_per_s=0.04, metrics={},
    )  # fmt: skip


def decision(action: str, reason: str = "cleaner", target: str | None = None) -> Event:
    return event("decision", policy="hysteresis", action=action, target=target, reason=reason, numbers={})


def carbon(real_s: float, **zones: Mapping[str, Any]) -> Event:
    return event("carbon", real_s=real_s, zones=zones)


def zone(value: float, **other: object) -> dict[str, object]:
    known = {"age_s": 0.0, "quality": "measured", "signal": "average", "source": "trace", "stale": False}
    return {"intensity_g_per_kwh": value, **known, **other}


def test_the_log_of_a_whole_run(snapshot: SnapshotAssertion) -> None:
    run = Run()
    finished(run)
    lines = Lines()
    log = [line for event in run.store.journal.events(JOB) for line in lines.of(event)]
    assert "\n".join(log) == snapshot
    assert not any(CONTROL.search(line) for line in log)


def test_the_line_of_a_copy() -> None:
    run = Run()
    moving(run)
    lines = Lines()
    log = [line for event in run.store.journal.events(JOB) for line in lines.of(event)]
    assert log[-1] == (
        "2024-06-03 08:54 UTC  frankfurt → oregon  copying checkpoint from frankfurt 12.3 MB of 40 MB (8.1 MB/s)"
    )


def test_progress_is_told_every_ten_real_seconds_and_at_the_end() -> None:
    lines = Lines()
    log = told(lines, *(progress(second / 2) for second in range(50)), progress(24.9, 4000))
    assert log == [
        *["oregon  step 1,240 of 4,000 (31 %), loss 0.1234, 2.4 steps/min"] * 3,
        "oregon  step 4,000 of 4,000 (100 %), loss 0.1234, 2.4 steps/min",
    ]


def test_a_step_that_a_placement_waits_for_is_told_at_once_and_then_every_ten_seconds() -> None:
    lines = Lines()
    told(lines, placement("copying"))
    log = told(lines, *(step(second / 4, done=second * 1e6) for second in range(41)))
    assert log == [
        "frankfurt → oregon  copying checkpoint from frankfurt 0 B of 40 MB (8.1 MB/s)",
        "frankfurt → oregon  copying checkpoint from frankfurt 40 MB of 40 MB (8.1 MB/s)",
    ]


def test_a_step_on_the_side_is_told_only_when_it_takes_long() -> None:
    lines = Lines()
    assert told(lines, step(0), step(5), step(9.9)) == []
    assert len(told(lines, step(10.1), step(11))) == 1


def test_routine_checkpoints_are_told_once_a_minute() -> None:
    def saved(real_s: float) -> Event:
        return event(
            "checkpoint", real_s=real_s, action="saved", site="oregon", name="step-000001200", step=1200,
            size_bytes=40_000_000, duration_s=0.1,
        )  # fmt: skip

    log = told(Lines(), *(saved(second) for second in range(70)))
    assert log == ["checkpoint of step 1,200 saved (40 MB)"] * 2


def test_stays_are_counted_not_listed() -> None:
    lines = Lines()
    log = told(lines, *(decision("stay", f"reason {n}") for n in range(12)), decision("move", "cleaner", "oregon"))
    assert log == [
        "stay: reason 0",
        "stay: reason 10 (9 more like it not shown)",
        "move → oregon: cleaner (after 1 more to stay, not shown)",
    ]
    assert told(lines, decision("move", "again", "milan"), decision("stay", "enough")) == [
        "move → milan: again",
        "stay: enough",
    ]


def test_the_reason_of_a_move_is_given_once() -> None:
    lines = Lines()
    log = told(lines, decision("move", "oregon is cleaner", "oregon"), placement("planned", reason="oregon is cleaner"))
    assert log == ["move → oregon: oregon is cleaner", "frankfurt → oregon  move"]
    asked = placement("planned", reason="asked for by ga migrate")
    assert told(Lines(), asked) == ["frankfurt → oregon  move: asked for by ga migrate"]


@pytest.mark.parametrize(
    ("later", "is_told"),
    [
        (zone(401), False),
        (zone(430), False),  # 7 %
        (zone(441), True),
        (zone(359), True),
        (zone(400, stale=True), True),
        (zone(400, quality="estimated"), True),
        (zone(400, age_s=3000.0), False),
        ({"unavailable": "no reading"}, True),
    ],
)
def test_intensities_are_told_when_they_changed_notably(later: Mapping[str, Any], is_told: bool) -> None:
    lines = Lines()
    assert told(lines, carbon(0, DE=zone(400))) == ["intensity DE 400 g/kWh"]
    assert bool(told(lines, carbon(31, DE=later))) is is_told


def test_intensities_are_told_no_more_often_than_every_half_minute() -> None:
    lines = Lines()
    log = told(lines, *(carbon(second, DE=zone(100 + 100 * (second % 2))) for second in range(63)))
    assert len(log) == 3


def test_intensities_say_what_they_are() -> None:
    log = told(
        Lines(), carbon(0, DE=zone(400, quality="typical", stale=True), FR={"unavailable": "gone"}, NO=zone(8.44))
    )
    assert log == ["intensity DE 400 g/kWh (typical, stale), FR unknown, NO 8.4 g/kWh"]


@pytest.mark.parametrize(
    ("told_of", "line"),
    [
        (event("warning", about="site", site="oregon", message="oregon: no\n  → do"), "warning: oregon: no | → do"),
        (event("error", about="internal", message="bug \x1b[31mhere"), "error: bug here"),
        (event("note", about="stop", message="SIGUSR1 sent"), "SIGUSR1 sent"),
        (event("command", verb="migrate", site="oregon", outcome="on its way"), "ga migrate oregon: on its way"),
        (event("command", verb="pause", site=None, outcome="pausing"), "ga pause: pausing"),
        (event("generation", generation=2, site="oregon", state="ended", outcome="crashed", exit_code=1, signal=None,
               forced=False), "generation 2 ended: crashed (exit code 1)"),
        (event("generation", generation=2, site="oregon", state="ended", outcome="killed", exit_code=None, signal=9,
               forced=True), "generation 2 ended: killed (signal 9)"),
        (event("generation", generation=2, site="oregon", state="ended", outcome="stopped", exit_code=75, signal=None,
               forced=False, because="lease"), "generation 2 ended: stopped (exit code 75), as its lease ran out"),
        (event("job", state="paused", detail="asked for by ga pause", generation=1), "paused: asked for by ga pause"),
        (event("job", state="placing", detail="no site is available", generation=0), "placing: no site is available"),
        (event("something new", value=3), "something new: value 3"),
        (placement("abandoned", detail="no capacity\n  → wait"), "frankfurt → oregon  move given up: no capacity"),
        (placement("failed", purpose="start", source=None, detail="disk full"), "→ oregon  start failed: disk full"),
        (placement("stopping", purpose="pause", target=None), "frankfurt  stopping the trainer at frankfurt"),
    ],
)  # fmt: skip
def test_single_events(told_of: Event, line: str) -> None:
    assert told(Lines(), told_of) == [line]


@pytest.mark.parametrize("state", ["target_requested", "stopped", "copying", "starting", "releasing_source"])
def test_intermediate_states_are_not_told(state: str) -> None:
    assert told(Lines(), placement(state)) == []


def test_an_end_of_the_trainers_own_is_not_called_a_stop() -> None:
    assert told(Lines(), placement("stopping", purpose="finish", target=None)) == []


def test_the_heartbeat() -> None:
    known = Progress(generation=1, at=START, step=1240, total_steps=4000, loss=None, steps_per_s=None, metrics={})
    assert Lines().heartbeat(at(1), JobState.RUNNING, "", known) == (
        "2024-06-03 01:00 UTC  still running, step 1,240 of 4,000"
    )
    assert Lines().heartbeat(at(1), JobState.BLOCKED, "waiting for oregon", None) == (
        "2024-06-03 01:00 UTC  still blocked: waiting for oregon"
    )


SUMMARY: dict[str, Any] = {
    "event": "summary", "job": JOB, "status": "failed", "detail": "crashed 4 times in a row\nlast words",
    "generation": 4, "migrations": 0, "pauses": 0, "steps": None, "wall_s": 12.0, "clock_scale": 1.0, "energy_kwh": 0.0,
    "emissions_g": 0.0, "modelled_percent": None, "baseline": None, "saved_percent": None, "sites": [],
    "checkpoint": None,
}  # fmt: skip


def test_the_summary_of_a_job_that_came_to_nothing() -> None:
    assert summary_lines(SUMMARY) == [
        "digits-1 failed after 12 s, 4 generations, 0 moves: crashed 4 times in a row | last words"
    ]


@pytest.mark.parametrize(
    ("actual_g", "words"),
    [
        (504.0, "staying at frankfurt would have emitted 820 g: 316 g saved (38.5 %)"),
        (840.0, "staying at frankfurt would have emitted 820 g: 20 g more emitted (2.4 %)"),
        (820.01, "staying at frankfurt would have emitted 820 g: as much"),
        (820.0, "staying at frankfurt would have emitted 820 g: as much"),
    ],
)
def test_the_saving_names_its_baseline_and_its_sign(actual_g: float, words: str) -> None:
    baseline = {"policy": "stay", "site": "frankfurt", "emissions_g": 820.0}
    assert words in summary_lines(SUMMARY | {"baseline": baseline, "emissions_g": actual_g})
