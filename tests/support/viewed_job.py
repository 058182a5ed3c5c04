"""A job's store in memory with rows as the engine writes them, at chosen moments of one run."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.decision import Action, Decision
from gacli.core.emissions import emissions_of
from gacli.core.energy import EnergyInterval, Phase
from gacli.core.job import Checkpoint, JobState
from gacli.core.placement import PlacementState
from gacli.core.site import PowerModel, Site
from gacli.engine.summary import summary_of
from gacli.ports.machine import ProgressRecord, StepProgress
from gacli.store import Store
from gacli.store.instances import Accounting, Holding
from gacli.store.placements import PlacementRecord, Purpose

START = datetime(2024, 6, 3, tzinfo=UTC)
SCALE = 900.0
EPOCH_S = 1_800_000_000.0
JOB = "digits-1"
SITES = (
    Site(name="frankfurt", provider="mock", zone="DE", pue=1.25, power=PowerModel(idle_w=60, busy_w=300)),
    Site(name="oregon", provider="mock", zone="US-NW-PACW", pue=1.2, power=PowerModel(idle_w=60, busy_w=300)),
    Site(name="milan", provider="mock", zone="IT-NO", pue=1.3, power=PowerModel(idle_w=60, busy_w=300)),
)
MEAN_G_PER_KWH = {"DE": 410.0, "US-NW-PACW": 130.0, "IT-NO": 330.0}
CHECKPOINT = Checkpoint(name="step-000001200", step=1200, sha256="ab12" * 16, size_bytes=40_000_000, files=3)


def at(hours: float) -> datetime:
    """Hours of the job's clock after the job was created."""
    return START + timedelta(hours=hours)


def epoch_s(instant: datetime, scale: float = SCALE) -> float:
    return EPOCH_S + (instant - START).total_seconds() / scale


def readings(zone: str, start: datetime, hours: int, quality: Quality = Quality.TYPICAL) -> list[Reading]:
    """A daily wave, hourly."""
    made = []
    for hour in range(hours):
        instant = start + timedelta(hours=hour)
        wave = math.sin((instant.hour - 6) / 24 * 2 * math.pi)
        made.append(
            Reading(
                zone=zone, at=instant, period_s=3600, intensity_g_per_kwh=MEAN_G_PER_KWH[zone] * (1 + 0.3 * wave),
                signal=Signal.AVERAGE, scope=Scope.LIFECYCLE, quality=quality, source="typical",
            )
        )  # fmt: skip
    return made


class Run:
    """Writes a run step by step; every method leaves a store as the engine would."""

    def __init__(self, *, scale: float = SCALE, quality: Quality = Quality.TYPICAL) -> None:
        self.store = Store(None)
        self.scale = scale
        created = self.store.jobs.create(
            name="digits", config_path="demo.yaml", config_text="", config_sha256="0", clock_epoch_s=EPOCH_S,
            clock_start=START, clock_scale=scale,
        )  # fmt: skip
        assert created is not None
        for zone in MEAN_G_PER_KWH:
            self.store.ledger.record_readings(JOB, readings(zone, START - timedelta(hours=24), 24 * 4, quality))

    def event(self, when: datetime, kind: str, **body: object) -> None:
        self.store.journal.event(JOB, when, epoch_s(when, self.scale), kind, body)

    def state(self, when: datetime, state: JobState, detail: str = "") -> None:
        finished = epoch_s(when, self.scale) if state.final else None
        self.store.jobs.set_state(JOB, state, detail, finished_epoch_s=finished)
        self.event(when, "job", state=state.value, detail=detail, generation=self.store.jobs.get(JOB).generation)

    def decide(self, when: datetime, action: Action, reason: str, target: str | None = None) -> None:
        decision = Decision(at=when, policy="hysteresis", action=action, reason=reason, target=target, numbers={"a": 1})
        self.store.journal.decision(JOB, decision)
        self.event(
            when, "decision", policy="hysteresis", action=action.value, target=target, reason=reason,
            numbers={"saved_g": 310.25},
        )  # fmt: skip

    def request(self, site: str, when: datetime) -> str:
        number = self.store.instances.count_at(JOB, site) + 1
        instance_id = f"{JOB}-{site}-{number}"
        generation = self.store.jobs.get(JOB).generation + 1
        self.store.instances.request(instance_id=instance_id, job_id=JOB, site=site, generation=generation, at=when)
        self.event(when, "instance", instance=instance_id, site=site, state="requested")
        return instance_id

    def hold(self, instance_id: str, when: datetime) -> None:
        self.store.instances.set_state(instance_id, Holding.HELD, when)
        self.store.instances.set_accounting(instance_id, phase=Accounting.METERED, until=when)

    def plan(
        self, purpose: Purpose, reason: str, when: datetime, *, source: str | None = None, target: str | None = None
    ) -> PlacementRecord:
        record = self.store.placements.plan(
            JOB, purpose=purpose, reason=reason, source_instance=source, target_instance=None, target_site=target,
            checkpoint=None, at=when,
        )  # fmt: skip
        self._tell(record, when)
        return record

    def enter(
        self, record: PlacementRecord, state: PlacementState, when: datetime, detail: str = ""
    ) -> PlacementRecord:
        entered = self.store.placements.enter(record, state, when, detail)
        self._tell(entered, when)
        return entered

    def _tell(self, record: PlacementRecord, when: datetime) -> None:
        source = None if record.source_instance is None else self.store.instances.get(record.source_instance).site
        self.event(
            when, "placement", placement=record.placement_id, purpose=record.purpose.value, state=record.state.value,
            source=source, target=record.target_site, reason=record.reason, detail=record.detail,
        )  # fmt: skip

    def begin(self, record: PlacementRecord, instance_id: str, site: str, from_step: int, when: datetime) -> int:
        generation = self.store.jobs.get(JOB).generation + 1
        self.store.jobs.begin_generation(
            JOB, generation=generation, instance_id=instance_id, site=site, from_step=from_step, at=when
        )
        self.store.placements.set_generation(record.placement_id, generation)
        self.store.jobs.generation_live(JOB, generation, when)
        self.event(when, "generation", generation=generation, site=site, state="started")
        return generation

    def stepped(self, generation: int, site: str, when: datetime) -> None:
        self.store.jobs.generation_stepped(JOB, generation, when)
        self.store.jobs.set_first_site(JOB, site)

    def progress(self, when: datetime, site: str, step: int, *, loss: float = 0.1234, rate: float = 0.04) -> None:
        generation = self.store.jobs.get(JOB).generation
        record = ProgressRecord(
            seq=1, at_s=epoch_s(when, self.scale), step=step, total_steps=4000, loss=loss, metrics={"accuracy": 0.937}
        )
        self.store.journal.set_progress(JOB, generation, when, record, rate)
        self.event(
            when, "progress", generation=generation, site=site, step=step, total_steps=4000, loss=loss,
            steps_per_s=rate, metrics={"accuracy": 0.937},
        )  # fmt: skip

    def use(
        self, site: str, instance_id: str, phase: Phase, start: datetime, end: datetime, power_w: float, *,
        modelled: bool = True,
    ) -> None:  # fmt: skip
        where = next(s for s in SITES if s.name == site)
        interval = EnergyInterval(
            site=site, generation=max(1, self.store.jobs.get(JOB).generation), phase=phase, start=start, end=end,
            energy_j=power_w * (end - start).total_seconds(), meter="model" if modelled else "nvml", modelled=modelled,
        )  # fmt: skip
        known = self.store.ledger.readings(JOB, where.zone, start, end)
        self.store.ledger.append(JOB, instance_id, emissions_of(interval, where, known))


def started(run: Run) -> str:
    """Start at frankfurt, running at step 1,240 after 8 h; returns the instance."""
    run.state(at(0), JobState.QUEUED)
    run.decide(at(0), Action.MOVE, "frankfurt is where the configuration starts the job", "frankfurt")
    start = run.plan(Purpose.START, "start", at(0), target="frankfurt")
    run.state(at(0), JobState.PLACING, "start: start")
    instance = run.request("frankfurt", at(0))
    start = run.enter(start, PlacementState.TARGET_REQUESTED, at(0))
    run.hold(instance, at(0.2))
    start = run.enter(start, PlacementState.TARGET_READY, at(0.5))
    generation = run.begin(start, instance, "frankfurt", -1, at(0.5))
    start = run.enter(start, PlacementState.STARTING, at(0.5))
    run.stepped(generation, "frankfurt", at(0.6))
    start = run.enter(start, PlacementState.CONFIRMED, at(0.7))
    run.enter(start, PlacementState.FINISHED, at(0.7))
    run.state(at(0.7), JobState.RUNNING)
    run.use("frankfurt", instance, Phase.BOOT, at(0), at(0.4), 60)
    run.use("frankfurt", instance, Phase.IDLE, at(0.4), at(0.5), 60)
    run.use("frankfurt", instance, Phase.TRAIN, at(0.5), at(8), 290, modelled=False)
    run.progress(at(8), "frankfurt", 1240)
    for hour in range(1, 8):
        run.decide(
            at(hour), Action.STAY,
            f"best other: oregon {100 + hour} g/kWh vs frankfurt 380 g/kWh: −70.1%, but here for {hour}.0 h of 8.0 h"
            " dwell",
        )  # fmt: skip
    return instance


def moving(run: Run) -> tuple[PlacementRecord, str, str]:
    """On the way from frankfurt to oregon, the checkpoint being copied; (placement, source, target)."""
    source = started(run)
    reason = (
        "oregon 118 g/kWh vs frankfurt 402 g/kWh: −70.6% with PUE for 2 readings; saves 310 g over 6.0 h, costs 8.2 g"
        " and 9.4 min"
    )
    run.decide(at(8), Action.MOVE, reason, "oregon")
    move = run.plan(Purpose.MOVE, reason, at(8), source=source, target="oregon")
    run.state(at(8), JobState.MOVING, f"move: {reason}")
    target = run.request("oregon", at(8))
    move = run.enter(move, PlacementState.TARGET_REQUESTED, at(8))
    run.hold(target, at(8.2))
    run.event(at(8.3), "instance", instance=target, site="oregon", state="booted")
    move = run.enter(move, PlacementState.TARGET_READY, at(8.6))
    move = run.enter(move, PlacementState.STOPPING, at(8.6))
    run.use("frankfurt", source, Phase.TRAIN, at(8), at(8.6), 290, modelled=False)
    run.use("oregon", target, Phase.BOOT, at(8), at(8.6), 60)
    run.store.jobs.generation_ended(JOB, 1, at(8.8), "stopped")
    run.event(
        at(8.8), "generation", generation=1, site="frankfurt", state="ended", outcome="stopped", exit_code=0,
        signal=None, forced=False,
    )  # fmt: skip
    run.use("frankfurt", source, Phase.CHECKPOINT, at(8.6), at(8.8), 150, modelled=False)
    move = run.enter(move, PlacementState.STOPPED, at(8.8))
    run.store.placements.set_checkpoint(move.placement_id, CHECKPOINT)
    move = run.enter(run.store.placements.get(move.placement_id), PlacementState.COPYING, at(8.8))
    step = StepProgress(what="copying checkpoint", done=12_300_000, total=40_000_000, unit="bytes", rate=8_100_000.0)
    run.store.journal.set_live(JOB, f"fetch:{source}:{CHECKPOINT.name}", step, epoch_s(at(8.9)))
    run.event(
        at(8.9), "step", key=f"fetch:{source}:{CHECKPOINT.name}", what=step.what, detail="", done=step.done,
        total=step.total, unit=step.unit, rate=step.rate,
    )  # fmt: skip
    return move, source, target


def moved(run: Run) -> str:
    """Running at oregon; returns the instance there."""
    move, source, target = moving(run)
    run.store.journal.clear_live(JOB)
    run.store.jobs.set_checkpoint(JOB, CHECKPOINT)
    run.store.placements.add_bytes(move.placement_id, CHECKPOINT.size_bytes)
    run.use("frankfurt", source, Phase.TRANSFER, at(8.8), at(9.2), 60)
    run.use("oregon", target, Phase.TRANSFER, at(8.8), at(9.2), 60)
    move = run.enter(move, PlacementState.VERIFIED, at(9.0))
    generation = run.begin(move, target, "oregon", 1200, at(9.0))
    move = run.enter(move, PlacementState.STARTING, at(9.0))
    run.stepped(generation, "oregon", at(9.2))
    move = run.enter(move, PlacementState.CONFIRMED, at(9.2))
    move = run.enter(move, PlacementState.RELEASING_SOURCE, at(9.2))
    run.enter(move, PlacementState.FINISHED, at(9.2))
    run.store.instances.set_state(source, Holding.GONE, at(9.3))
    run.event(at(9.3), "instance", instance=source, site="frankfurt", state="gone")
    run.state(at(9.3), JobState.RUNNING)
    run.use("oregon", target, Phase.TRAIN, at(9.2), at(20), 290, modelled=False)
    run.progress(at(20), "oregon", 2800)
    return target


def finished(run: Run) -> None:
    """Done at oregon after 28 h, summary told."""
    instance = moved(run)
    run.use("oregon", instance, Phase.TRAIN, at(20), at(28), 290, modelled=False)
    run.progress(at(28), "oregon", 4000, loss=0.0456)
    run.store.jobs.generation_ended(JOB, 2, at(28), "complete")
    run.event(
        at(28), "generation", generation=2, site="oregon", state="ended", outcome="complete", exit_code=0, signal=None,
        forced=False,
    )  # fmt: skip
    end = run.plan(Purpose.FINISH, "the training is complete", at(28), source=instance)
    end = run.enter(end, PlacementState.STOPPING, at(28))
    end = run.enter(end, PlacementState.STOPPED, at(28))
    end = run.enter(end, PlacementState.COPYING, at(28))
    end = run.enter(end, PlacementState.VERIFIED, at(28.1))
    end = run.enter(end, PlacementState.RELEASING_SOURCE, at(28.1))
    run.enter(end, PlacementState.FINISHED, at(28.1))
    run.store.instances.set_state(instance, Holding.GONE, at(28.2))
    run.state(at(28.2), JobState.DONE, "the training is complete")
    body = summary_of(run.store, SITES, JOB)
    run.store.journal.event(JOB, at(28.2), epoch_s(at(28.2), run.scale), "summary", body)
