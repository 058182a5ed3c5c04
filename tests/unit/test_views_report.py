"""The report of a run: what it tells, and how it looks."""

from __future__ import annotations

import json

import pytest
from support.rendering import text_of
from support.viewed_job import JOB, SITES, Run, at, finished, started
from syrupy.assertion import SnapshotAssertion

from gacli.core.carbon import Signal
from gacli.core.job import Checkpoint
from gacli.core.placement import PlacementState
from gacli.store.placements import Purpose
from gacli.views.report import print_report, report_tables
from gacli.views.report_data import Report, read_report, report_json


def _report() -> Report:
    run = Run()
    finished(run)
    run.event(at(9), "warning", about="steps", message="40 steps are trained again\n\x1b[31mreally")
    run.event(at(10), "error", about="internal", message="[red]a bug of ours[/red]")
    return read_report(run.store, JOB, SITES, at(40))


def test_what_it_tells() -> None:
    report = _report()
    assert report.signals == (Signal.AVERAGE,)
    assert [decision.target for decision in report.decisions] == ["frankfurt", "oregon"]
    assert report.stays == 7
    assert [(row.record.generation, row.reached, row.lost_steps) for row in report.generations] == [
        (1, 1240, None),
        (2, 4000, 40),
    ]
    # From the stop at 8.6 h to the first step at 9.2 h; the first start and the end stop nothing.
    assert [row.downtime_s for row in report.placements] == [None, pytest.approx(0.6 * 3600), None]
    assert [event.kind for event in report.notices] == ["warning", "error"]


@pytest.mark.parametrize("width", [80, 120])
def test_how_it_looks(width: int, snapshot: SnapshotAssertion) -> None:
    shown = text_of(report_tables(_report(), width), width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown == snapshot


def test_a_job_that_has_done_nothing() -> None:
    report = read_report(Run().store, JOB, SITES, at(0))
    assert text_of(report_tables(report, 80), 80).startswith("digits-1 queued, 0 generations, 0 moves")
    assert (report.placements, report.generations, report.decisions, report.notices) == ((), (), (), ())


@pytest.mark.parametrize(
    ("checkpoint_step", "from_step", "lost"),
    [
        (1240, 1240, 0),
        (1260, 1260, 0),  # saved after the last step that was told
        (1200, 1200, 40),
        (-1, -1, None),  # a script that tells no steps with its checkpoints: nobody knows
        (None, -1, 1240),  # from nothing
    ],
)
def test_steps_lost_by_a_restart(checkpoint_step: int | None, from_step: int, lost: int | None) -> None:
    run = Run()
    instance = started(run)
    run.store.jobs.generation_ended(JOB, 1, at(8.5), "crashed")
    restart = run.plan(Purpose.RECOVER, "crashed", at(9), target="frankfurt")
    if checkpoint_step is not None:
        checkpoint = Checkpoint(name="x", step=checkpoint_step, sha256="0", size_bytes=1, files=1)
        run.store.placements.set_checkpoint(restart.placement_id, checkpoint)
    generation = run.begin(run.store.placements.get(restart.placement_id), instance, "frankfurt", from_step, at(9))
    run.stepped(generation, "frankfurt", at(9.5))
    report = read_report(run.store, JOB, SITES, at(10))
    assert report.generations[1].lost_steps == lost
    assert report.placements[1].downtime_s == pytest.approx(3600)  # from the crash to the next step


def test_a_pause_is_no_downtime() -> None:
    run = Run()
    instance = started(run)
    pause = run.plan(Purpose.PAUSE, "asked for", at(9), source=instance)
    run.enter(pause, PlacementState.STOPPING, at(9))
    run.store.jobs.generation_ended(JOB, 1, at(9.1), "stopped")
    resume = run.plan(Purpose.RESUME, "asked for", at(30), target="frankfurt")
    run.stepped(run.begin(resume, instance, "frankfurt", 1240, at(30)), "frankfurt", at(31))
    report = read_report(run.store, JOB, SITES, at(40))
    assert [row.downtime_s for row in report.placements] == [None, None, None]


def test_the_report_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run()
    finished(run)
    print_report(read_report(run.store, JOB, SITES, at(40)), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads(json.dumps(report_json(read_report(run.store, JOB, SITES, at(40)))))
    assert (record["event"], record["job"], record["status"]) == ("report", JOB, "done")
    assert record["quality_percent"] == {"typical": pytest.approx(100)}
    assert [p["purpose"] for p in record["placements"]] == ["start", "move", "finish"]
    assert record["placements"][1]["moved_bytes"] == 40_000_000
    assert record["placements"][1]["times"]["verified"] == "2024-06-03T09:00:00.000000Z"
    assert record["generations"][1]["lost_steps"] == 40
    assert record["decisions"][1]["target"] == "oregon"


def test_the_report_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    run = Run()
    finished(run)
    print_report(read_report(run.store, JOB, SITES, at(40)), as_json=False)
    shown = capsys.readouterr().out
    assert "decisions that moved or paused the job" in shown
    assert "\x1b" not in shown
