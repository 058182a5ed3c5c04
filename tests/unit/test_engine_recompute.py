"""The ledger under other assumptions: equal to the record under the same ones, and the record is never touched."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crashing import CrashingMachine, CrashingWorld, Points
from support.engine import START, HourlySource, site
from support.metered import INSTANCE, Metered, part, sample
from typing_extensions import override

from ga_playbooks.fake_trainer import TrainerModel
from ga_playbooks.messages import PollAnswer, parse_poll
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.job import JobState
from gacli.engine.recompute import Readings, Recomputed, recompute
from gacli.errors import CarbonUnavailable, GaError
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay
from gacli.ports.machine import Machine, Poll, PowerSample
from gacli.ports.provider import Instance, InstanceState

# ----- whole lives of a job ----------------------------------------------------------------------------------


def uneven(line: str) -> str:
    """Another energy in every sample, told by device; and now and then a sample that began late."""
    record = json.loads(line)
    if record["kind"] != "power":
        return line
    seq = record["seq"]
    if seq % 7 == 0:
        record["t0"] += (record["t1"] - record["t0"]) / 4
    gpu_j, cpu_j = record["energy_j"] * (0.2 + seq % 5), record["energy_j"] * 0.1
    record["parts"] = [
        {"device": "gpu0", "energy_j": gpu_j, "meter": "nvml", "uncertainty": "counter"},
        {"device": "cpu", "energy_j": cpu_j, "meter": "model", "uncertainty": "model"},
    ]
    record.update(energy_j=gpu_j + cpu_j, meter="nvml+model", modelled=seq % 2 == 0)
    return json.dumps(record)


class UnevenMachine(CrashingMachine):
    @override
    def poll(self, job_id: str, generation: int, after_seq: int, heard_s: float | None = None) -> Poll:
        poll = super().poll(job_id, generation, after_seq, heard_s)
        lines = [uneven(line) for line in poll.raw]
        answer = PollAnswer(
            generation=generation,
            agent_alive=True,
            lock_held=True,
            exit=None,
            last_seq=poll.status.last_seq,
            clock_s=poll.status.clock_s,
            records=lines,
            through=after_seq + len(lines),
            more=False,
        )
        return replace(parse_poll([answer], where="test"), status=poll.status)


class UnevenWorld(CrashingWorld):
    @override
    def connect(self, instance: Instance) -> Machine:
        machine = UnevenMachine(self.clock, self.model, self.disk(instance.instance_id), label=instance.site)
        machine.points = self.points
        return machine


def at_step(act: Callable[[CrashingWorld], None]) -> Callable[[CrashingWorld], None]:
    def script(one: CrashingWorld) -> None:
        progress = one.store.journal.progress(one.job_id)
        if progress is not None and progress.step >= 10 and not one.said:
            one.said.append("done")
            act(one)
        if one.state is JobState.PAUSED and one.said == ["done"]:
            one.said.append("resumed")
            one.command("resume")

    return script


def lose(one: CrashingWorld) -> None:
    one.provider.set_state("job-1-a-1", InstanceState.GONE)
    one.disk("job-1-a-1").faults.unreachable = True


def lose_sight(one: CrashingWorld) -> None:
    one.disk("job-1-a-1").faults.unreachable = True


def commanded(verb: str, where: str | None = None) -> Callable[[CrashingWorld], None]:
    def act(one: CrashingWorld) -> None:
        one.command(verb, where)

    return act


TROUBLES: dict[str, Callable[[CrashingWorld], None]] = {
    "none": lambda _: None,
    "migrate": commanded("migrate", "b"),
    "pause": commanded("pause"),
    "stop": commanded("stop"),
    "lose the machine": lose,
    "lose sight of it": lose_sight,
    "preempt": lambda one: one.provider.set_state("job-1-a-1", InstanceState.PREEMPTING),
}


def lived(root: Path, trouble: str, kills: Sequence[int], *, moves: bool) -> CrashingWorld:
    """A job of some hours whose readings change in between, to its end."""
    one = UnevenWorld(
        root=root,
        carbon=HourlySource({"A": [400.0, 130.0, 377.7, 90.0] * 12, "B": [100.0, 333.3, 55.0] * 16}),
        sites=(site("a", "A", capacity=4, pue=1.3), site("b", "B", capacity=4, pue=1.1)),
        model=TrainerModel(steps_per_s=0.01, total_steps=60, checkpoint_every_steps=16, save_s=50.0),
        start_at="a",
        tick_s=60.0,
        poll_s=600.0,
        lease_s=600.0,
        policy=Hysteresis(hold_readings=1, dwell_s=0.0, margin_g_per_kwh=1.0) if moves else Stay(),
    )
    one.live_through(Points(tuple(kills)), at_step(TROUBLES[trouble]))
    assert one.state.final
    return one


def unchanged(found: Recomputed, *, of: CrashingWorld | Metered) -> None:
    recorded = {(total.site, total.phase): total for total in of.store.ledger.totals(of.job_id)}
    assert {(total.now.site, total.now.phase) for total in found.totals} == recorded.keys()
    for total in found.totals:
        record = recorded[total.now.site, total.now.phase]
        for one in (total.now, total.recorded):
            assert one.zone == record.zone
            assert one.time_s == pytest.approx(record.time_s, abs=1e-3)
            assert one.energy_j == pytest.approx(record.energy_j, rel=1e-9)
            assert one.emissions_g == pytest.approx(record.emissions_g, rel=1e-9)
            assert one.modelled_j == pytest.approx(record.modelled_j, rel=1e-9)
            assert one.extrapolated_g == pytest.approx(record.extrapolated_g, rel=1e-9)


def devices_are_the_intervals(one: CrashingWorld) -> None:
    by_device: dict[tuple[object, ...], float] = defaultdict(float)
    for device in one.store.devices.of_job(one.job_id):
        by_device[device.instance_id, device.site, device.generation, device.phase] += device.energy_j
    by_interval: dict[tuple[object, ...], float] = defaultdict(float)
    for entry in one.store.ledger.entries(one.job_id):
        energy = entry.emission.energy
        by_interval[entry.instance_id, energy.site, energy.generation, energy.phase] += energy.energy_j
    assert by_device == pytest.approx(by_interval, rel=1e-9)


def readings_of(one: CrashingWorld | Metered) -> Readings:
    return lambda zone, start, end: one.store.ledger.readings(one.job_id, zone, start, end)


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(sorted(TROUBLES)), st.lists(st.integers(0, 60), max_size=3), st.booleans())
def test_unchanged_assumptions_give_the_record_and_devices_its_energy(
    trouble: str, kills: list[int], moves: bool
) -> None:
    with tempfile.TemporaryDirectory() as root:
        one = lived(Path(root), trouble, kills, moves=moves)
        devices_are_the_intervals(one)
        before = one.store.database.connection.serialize(), files(Path(root))
        same = recompute(one.store, one.folders, one.job_id, pue=None, readings=None)
        again = recompute(one.store, one.folders, one.job_id, pue=None, readings=readings_of(one))
        twice = recompute(one.store, one.folders, one.job_id, pue={"a": 2.6, "b": 2.2}, readings=None)
        assert (one.store.database.connection.serialize(), files(Path(root))) == before
    unchanged(same, of=one)
    unchanged(again, of=one)
    assert same.raw_percent is not None
    assert 30 < same.raw_percent <= 100
    assert twice.energy_j == pytest.approx(same.energy_j, rel=1e-12)
    assert twice.emissions_g == pytest.approx(2 * same.recorded_emissions_g, rel=1e-9)
    assert sum(total.difference_g for total in twice.totals) == pytest.approx(same.emissions_g, rel=1e-9)
    for found in (same, again):
        for instance in one.store.instances.of_job(one.job_id, gone=True):
            own = [e.emission.energy for e in found.entries if e.instance_id == instance.instance_id]
            assert all(earlier.end == later.start for earlier, later in itertools.pairwise(own))


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_move_a_loss_and_a_crash_are_really_lived_through(tmp_path: Path) -> None:
    """What the property rests on."""
    moved = lived(tmp_path / "moved", "none", [25], moves=True)
    assert len({entry.emission.energy.site for entry in moved.store.ledger.entries(moved.job_id)}) == 2
    lost = lived(tmp_path / "lost", "lose the machine", [], moves=False)
    generations = lost.store.jobs.generations(lost.job_id)
    assert generations[0].outcome == "lost"
    found = recompute(lost.store, lost.folders, lost.job_id, pue=None, readings=None)
    train = next(total for total in found.totals if total.now.phase == "train")
    assert 0 < train.raw_j < train.now.energy_j, "the lost machine's last minutes have no telemetry"


# ----- by hand -----------------------------------------------------------------------------------------------

# One hour under one reading of 400 g/kWh, PUE 1.2: 18 kJ in its first half, 162 kJ in its second.
HALVES = (sample(1, 0, 1800, 18_000.0), sample(2, 1800, 3600, 162_000.0))
G_PER_J = 1.2 / 3.6e6


def kept(root: Path, samples: Sequence[PowerSample], lines: Sequence[str] | None = None) -> Metered:
    """The samples in the ledger; in the file, the same or the lines."""
    one = Metered(root=root)
    one.deliver(samples)
    path = one.folders.telemetry(one.job_id, 1)
    path.parent.mkdir(parents=True)
    path.write_text("".join([line_of(each) for each in samples] if lines is None else lines))
    return one


def line_of(one: PowerSample) -> str:
    parts = [
        {"device": p.device, "energy_j": p.energy_j, "meter": p.meter, "uncertainty": p.uncertainty} for p in one.parts
    ]
    told = {"seq": one.seq, "kind": "power", "t0": one.start_s, "t1": one.end_s, "energy_j": one.energy_j}
    return json.dumps({**told, "phase": one.phase, "meter": one.meter, "modelled": one.modelled, "parts": parts}) + "\n"


def half_hours(*values: float, signal: Signal = Signal.MARGINAL) -> Readings:
    """Values from START on, for zone A."""

    def readings(zone: str, start: datetime, end: datetime) -> list[Reading]:
        assert zone == "A"
        return [
            Reading(
                zone=zone,
                at=START + timedelta(minutes=30 * n),
                period_s=1800.0,
                intensity_g_per_kwh=value,
                signal=signal,
                scope=Scope.DIRECT,
                quality=Quality.ESTIMATED,
                source="other",
            )
            for n, value in enumerate(values)
        ]

    return readings


def test_other_readings_find_the_energy_where_the_telemetry_says(tmp_path: Path) -> None:
    one = kept(tmp_path, HALVES)
    assert [entry.emission.energy.energy_j for entry in one.store.ledger.entries(one.job_id)] == [180_000.0]
    found = recompute(one.store, one.folders, one.job_id, pue=None, readings=half_hours(100.0, 500.0))
    assert found.emissions_g == pytest.approx(G_PER_J * (18_000 * 100 + 162_000 * 500))
    assert found.recorded_emissions_g == pytest.approx(G_PER_J * 180_000 * 400)
    assert found.raw_percent == pytest.approx(100.0)
    first, second = (entry.emission for entry in found.entries)
    assert (first.carbon_source, first.quality, first.pue) == ("other", Quality.ESTIMATED, 1.2)
    assert (first.energy.end, first.intensity_g_per_kwh) == (START + timedelta(minutes=30), 100.0)
    assert (second.energy.energy_j, second.intensity_g_per_kwh) == pytest.approx((162_000.0, 500.0))


def test_without_telemetry_the_recorded_energy_is_spread_evenly(tmp_path: Path) -> None:
    one = kept(tmp_path, HALVES)
    one.folders.telemetry(one.job_id, 1).unlink()
    found = recompute(one.store, one.folders, one.job_id, pue=None, readings=half_hours(100.0, 500.0))
    assert found.emissions_g == pytest.approx(G_PER_J * 90_000 * (100 + 500))
    assert found.raw_percent == 0.0


@pytest.mark.parametrize(
    ("lines", "raw_j", "emissions_g"),
    [
        # What the lines do not tell of is what they leave of the record: 162 kJ.
        ([line_of(HALVES[0])], 18_000.0, G_PER_J * (18_000 * 100 + 162_000 * 500)),
        ([line_of(HALVES[0]), line_of(HALVES[1])[:40]], 18_000.0, G_PER_J * (18_000 * 100 + 162_000 * 500)),
        ([line_of(HALVES[1])], 162_000.0, G_PER_J * (18_000 * 100 + 162_000 * 500)),
        # Lines that have not reached the ledger, and lines that came twice.
        ([*map(line_of, HALVES), line_of(sample(3, 3600, 7200, 1e6))], 180_000.0, None),
        ([*map(line_of, HALVES), *map(line_of, HALVES)], 180_000.0, None),
        # Lines that say more than the record leave nothing for the rest.
        ([line_of(sample(1, 0, 1800, 200_000.0))], 200_000.0, G_PER_J * 200_000 * 100),
    ],
    ids=["the first", "one and a half", "the second", "one more", "twice", "more energy"],
)
def test_telemetry_that_is_not_that_of_the_record(
    lines: list[str], raw_j: float, emissions_g: float | None, tmp_path: Path
) -> None:
    one = kept(tmp_path, HALVES, lines)
    found = recompute(one.store, one.folders, one.job_id, pue=None, readings=half_hours(100.0, 500.0))
    assert sum(total.raw_j for total in found.totals) == pytest.approx(raw_j)
    whole_g = G_PER_J * (18_000 * 100 + 162_000 * 500)
    assert found.emissions_g == pytest.approx(whole_g if emissions_g is None else emissions_g)


def test_pue_of_all_sites_of_some_and_none(tmp_path: Path) -> None:
    one = kept(tmp_path, HALVES)

    def emissions_g(pue: dict[str, float] | float | None) -> float:
        return recompute(one.store, one.folders, one.job_id, pue=pue, readings=None).emissions_g

    assert emissions_g(1.0) == pytest.approx(180_000 * 400 / 3.6e6)
    assert emissions_g({"a": 1.5}) == pytest.approx(1.5 * 180_000 * 400 / 3.6e6)
    assert emissions_g({"elsewhere": 1.5}) == emissions_g(None) == pytest.approx(1.2 * 180_000 * 400 / 3.6e6)


@pytest.mark.parametrize("pue", [0.9, -1.0, float("nan"), float("inf"), {"a": 0.0}])
def test_a_pue_that_cannot_be(pue: dict[str, float] | float, tmp_path: Path) -> None:
    one = kept(tmp_path, HALVES)
    with pytest.raises(GaError, match="pue of site a: expected a number of at least 1"):
        recompute(one.store, one.folders, one.job_id, pue=pue, readings=None)


def test_damaged_telemetry_is_named(tmp_path: Path) -> None:
    one = kept(tmp_path, HALVES, [line_of(HALVES[0]), "{half a li\n", line_of(HALVES[1])])
    with pytest.raises(GaError, match=r"g0001\.jsonl: expected a telemetry record, found '{half a li") as found:
        recompute(one.store, one.folders, one.job_id, pue=None, readings=None)
    assert found.value.hint


def test_a_zone_of_which_nothing_is_known(tmp_path: Path) -> None:
    one = kept(tmp_path, HALVES)
    with pytest.raises(CarbonUnavailable, match="zone A"):
        recompute(one.store, one.folders, one.job_id, pue=None, readings=lambda *_: [])


def test_a_job_that_used_nothing(tmp_path: Path) -> None:
    one = Metered(root=tmp_path)
    found = recompute(one.store, one.folders, one.job_id, pue=1.5, readings=half_hours(100.0))
    assert (found.entries, found.totals, found.energy_j, found.raw_percent) == ((), (), 0, None)


def test_on_replay_and_with_a_generation_after_another(tmp_path: Path) -> None:
    """Clock sixty times as fast; the second agent's first sample overlaps what the first one told."""
    one = Metered(root=tmp_path, scale=60.0)
    told = {
        1: [sample(1, 1, 31, 500.0), sample(2, 31, 61, 700.0, phase="checkpoint"), sample(4, 64, 70, 90.0)],
        2: [sample(1, 69, 80, 3000.0, parts=(part("gpu0", 3000.0, "nvml", "counter"),)), sample(2, 80.0001, 95, 10.0)],
    }
    for generation, samples in told.items():
        if generation == 2:
            one.begin(2, START + timedelta(seconds=60 * 70))
        one.deliver(samples, generation)
        path = one.folders.telemetry(one.job_id, generation)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(map(line_of, samples)))
    one.meter.lost(INSTANCE, START + timedelta(seconds=60 * 100))
    unchanged(recompute(one.store, one.folders, one.job_id, pue=None, readings=None), of=one)
    found = recompute(one.store, one.folders, one.job_id, pue=None, readings=readings_of(one))
    unchanged(found, of=one)
    raw_j = sum(total.raw_j for total in found.totals)
    assert raw_j == pytest.approx(60 * (500 + 700 + 90 + 3000 * 10 / 11 + 10))
