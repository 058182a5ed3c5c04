"""Pauses that a policy decides on: the machine is given back, and the policy brings the job back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support.crashing import CrashingWorld, Points
from support.engine import HOUR_S, START, HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.core.energy import Phase
from gacli.core.job import JobState
from gacli.core.snapshot import Snapshot
from gacli.engine.accounting import baselines_of
from gacli.engine.deciding import Deciding
from gacli.engine.summary import account_of, summary_of
from gacli.policies.greenaccounter import GreenAccounter
from gacli.policies.pause_resume import PauseResume
from gacli.store.placements import Purpose
from gacli.views.baselines import baseline_notes

# Six hours of training; dirty from the second to the fourth hour.
MODEL = TrainerModel(steps_per_s=0.1, total_steps=2160, checkpoint_every_steps=360, save_s=5.0)
DAY = [100.0, 100.0, 500.0, 500.0, 500.0, *[100.0] * 43]
POLICY = PauseResume(pause_above_g_per_kwh=300.0, resume_below_g_per_kwh=200.0)


def world(root: Path, kind: type[World] = World, **changes: object) -> World:
    settings: dict[str, object] = {
        "root": root,
        "carbon": HourlySource({"A": DAY, "B": [150.0] * 48}),
        "sites": (site("a", "A", capacity=4), site("b", "B", capacity=4)),
        "model": MODEL,
        "start_at": "a",
        "tick_s": 20.0,
        "policy": POLICY,
    }
    return kind(**(settings | changes))  # type: ignore[arg-type]  # the tests name fields of the dataclass


def until_waiting(one: World) -> None:
    assert one.run(until=JobState.WAITING) is JobState.WAITING


def test_a_policy_pauses_and_resumes(tmp_path: Path) -> None:
    one = world(tmp_path)
    until_waiting(one)
    assert one.holding() == []
    assert (one.clock.now() - START).total_seconds() == pytest.approx(2 * HOUR_S, abs=600)
    assert one.run() is JobState.DONE
    assert [p.purpose for p in one.placements] == [Purpose.START, Purpose.WAIT, Purpose.RESUME, Purpose.FINISH]
    assert one.where() == "a"
    resumed = one.placements[2].times["planned"]
    assert (resumed - START).total_seconds() == pytest.approx(5 * HOUR_S, abs=600)
    assert [event.body["action"] for event in one.events("decision") if event.body["action"] != "stay"] == [
        "move",  # where it starts
        "pause",
        "move",
    ]
    checkpoint = one.store.jobs.get(one.job_id).checkpoint
    assert checkpoint is not None
    assert checkpoint.step == MODEL.total_steps
    # While it waits nothing is drawn: no interval of the ledger lies between.
    paused = one.placements[1].times["finished"]
    intervals = [entry.emission.energy for entry in one.store.ledger.entries(one.job_id)]
    assert [e for e in intervals if e.start < resumed and e.end > paused + timedelta(seconds=60)] == []
    assert {e.phase for e in intervals} >= {Phase.TRAIN, Phase.BOOT}


def test_a_paused_job_is_not_measured_by_a_bound_without_pauses(tmp_path: Path) -> None:
    one = world(tmp_path)
    assert one.run() is JobState.DONE
    account = account_of(one.store, one.sites, one.job_id)
    baselines = baselines_of(one.store, one.sites, one.job_id, account)
    assert (baselines.pauses, baselines.captured_percent) == (1, None)
    notes = " ".join(baseline_notes(baselines))
    assert "below which this job may be, as it was paused" in notes
    assert "nothing could have been saved" not in notes
    assert summary_of(one.store, one.sites, one.job_id)["pauses"] == 1


def test_what_a_waiting_job_is_shown_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Snapshot] = []
    original = Deciding.snapshot

    def snapshot(self: Deciding) -> Snapshot:
        made = original(self)
        seen.append(made)
        return made

    monkeypatch.setattr(Deciding, "snapshot", snapshot)
    one = world(tmp_path)
    until_waiting(one)
    training = seen[-1]
    assert (training.current, training.paused_since, training.paused_at) == ("a", None, None)
    assert training.pause is not None
    assert training.pause.save_s > 0
    assert training.view("a").move is None
    one.run_for(HOUR_S)
    waiting = seen[-1]
    assert (waiting.current, waiting.paused_at) == (None, "a")
    assert waiting.paused_since == one.placements[1].times["finished"]
    assert waiting.pause is None
    assert waiting.view("a").move is not None
    assert waiting.remaining_s == pytest.approx(4 * HOUR_S, rel=0.1)
    assert waiting.total_s == pytest.approx(6 * HOUR_S, rel=0.05)
    assert (waiting.started_at, waiting.deadline, waiting.poll_s) == (START, None, one.poll_s)


def test_policies_know_when_an_epoch_has_ended(tmp_path: Path) -> None:
    """GreenAccounter moves at the end of an epoch only: each takes an hour and a half here."""
    model = TrainerModel(steps_per_s=0.1, total_steps=2160, steps_per_epoch=540, save_s=5.0)
    policy = GreenAccounter(thresholds={"a": 300.0, "b": 200.0}, at_epoch_end=True)
    dirty = HourlySource({"A": [100.0, *[500.0] * 47], "B": [150.0] * 48})
    one = world(tmp_path, carbon=dirty, model=model, policy=policy)
    assert one.run() is JobState.DONE
    move = next(p for p in one.placements if p.purpose is Purpose.MOVE)
    first_epoch_s = 1.5 * HOUR_S
    assert first_epoch_s <= (move.times["planned"] - START).total_seconds() <= first_epoch_s + 2 * one.poll_s


@pytest.mark.parametrize(
    ("verb", "where", "state", "purpose"),
    [
        ("resume", None, JobState.RUNNING, Purpose.RESUME),
        ("migrate", "b", JobState.RUNNING, Purpose.RESUME),
        ("pause", None, JobState.PAUSED, Purpose.WAIT),
        ("stop", None, JobState.STOPPED, Purpose.STOP),
    ],
)
def test_people_overrule_the_policy(
    tmp_path: Path, verb: str, where: str | None, state: JobState, purpose: Purpose
) -> None:
    one = world(tmp_path)
    until_waiting(one)
    one.command(verb, where)
    assert one.run(until=state) is state
    assert one.placements[-1].purpose is purpose
    if where is not None:
        assert one.where() == where
        assert one.run() is JobState.DONE
        assert summary_of(one.store, one.sites, one.job_id)["migrations"] == 1
    if verb == "pause":
        # Now only people bring it back.
        one.controller = one.new_controller()
        assert not one.tick()
        assert one.state is JobState.PAUSED
        one.command("resume")
        assert one.run(until=JobState.RUNNING) is JobState.RUNNING


def test_a_controller_that_dies_while_it_waits_changes_nothing(tmp_path: Path) -> None:
    one = world(tmp_path)
    until_waiting(one)
    one.controller = one.new_controller()
    one.run_for(HOUR_S)
    assert one.state is JobState.WAITING
    assert one.run() is JobState.DONE


def test_a_training_that_completes_as_it_is_paused_is_finished(tmp_path: Path) -> None:
    first = world(tmp_path / "first")
    first.run(until=JobState.PAUSING)
    progress = first.store.journal.progress(first.job_id)
    assert progress is not None
    # The same once more, but for a script that hears no signal and is at its end before it is killed.
    model = TrainerModel(steps_per_s=0.1, total_steps=progress.step + 2, checkpoint_every_steps=360, save_s=5.0)
    one = world(tmp_path / "second", model=model)
    one.run(until=JobState.PAUSING)
    one.disk("job-1-a-1").faults.ignores_signal = True
    assert one.run() is JobState.DONE
    assert [p.purpose for p in one.placements] == [Purpose.START, Purpose.FINISH]
    assert JobState.WAITING not in [event.body["state"] for event in one.events("job")]


def test_a_deadline_brings_it_back_in_time(tmp_path: Path) -> None:
    dirty = HourlySource({"A": [100.0, 100.0, *[500.0] * 46], "B": [150.0] * 48})
    one = world(tmp_path, carbon=dirty, deadline_s=8 * HOUR_S, tick_s=5.0)
    until_waiting(one)
    assert one.run() is JobState.DONE
    assert (one.clock.now() - START).total_seconds() <= 8 * HOUR_S


def test_a_crash_at_any_point_ends_in_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _fd: None)

    def run(root: Path, points: Points) -> CrashingWorld:
        one = world(
            root,
            CrashingWorld,
            carbon=HourlySource({"A": [100.0, 500.0, *[100.0] * 46], "B": [150.0] * 48}),
            model=TrainerModel(steps_per_s=0.01, total_steps=72, checkpoint_every_steps=30, save_s=5.0),
            tick_s=300.0,
            poll_s=600.0,
            sample_s=300.0,
        )
        assert isinstance(one, CrashingWorld)
        one.live_through(points)
        return one

    points = Points()
    undisturbed = run(tmp_path / "undisturbed", points)
    expected = undisturbed.store.jobs.get(undisturbed.job_id).checkpoint
    assert undisturbed.check_end(expected) == []
    assert [p.purpose for p in undisturbed.placements] == [
        Purpose.START, Purpose.WAIT, Purpose.RESUME, Purpose.FINISH,
    ]  # fmt: skip
    wrong = {}
    for number, point in enumerate(points.names):
        one = run(tmp_path / str(number), Points((number,)))
        if found := one.check_end(expected):
            wrong[f"{number} {point}"] = found
    assert wrong == {}
