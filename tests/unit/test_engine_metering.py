"""From samples to the ledger, whatever happens to them on the way: every second once, every joule where it belongs."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine import START
from support.metered import INSTANCE, Metered, part, sample

from gacli.ports.machine import EnergyPart, PowerSample
from gacli.store.instances import Accounting

IDLE_W, BUSY_W = 100.0, 1000.0
SETTINGS = settings(deadline=None, max_examples=50)
HOST = ("host", "model", "model")


@st.composite
def records(draw: st.DrawFn, *, overlaps: bool, most: int = 8) -> list[PowerSample]:
    """What an agent numbered, in its order: with holes between samples and, where asked for, with overlaps."""
    made: list[PowerSample] = []
    at_ms = draw(st.integers(0, 1000)) * 10
    for seq in range(1, draw(st.integers(1, most)) + 1):
        at_ms = max(0, at_ms + draw(st.integers(-600 if overlaps else 0, 600)) * 10 * draw(st.integers(0, 1)))
        end_ms = at_ms + draw(st.integers(1, 1500)) * 10
        shares = draw(st.lists(st.floats(0.0, 5000.0), max_size=3))
        parts = tuple(part(f"gpu{n}", share, "nvml", "counter") for n, share in enumerate(shares))
        made.append(
            sample(
                seq,
                at_ms / 1000.0,
                end_ms / 1000.0,
                sum(shares) if parts else draw(st.floats(0.0, 1e5)),
                phase=draw(st.sampled_from(["train", "checkpoint"])),
                modelled=draw(st.booleans()),
                parts=parts,
            )
        )
        at_ms = end_ms
    return made


def micros(epoch_s: float) -> int:
    """Since START."""
    return round((epoch_s - START.timestamp()) * 1e6)


def expected(samples: Sequence[PowerSample]) -> dict[str, float]:
    """J by phase, slot by slot: a slot is that of the first sample which reaches beyond it.

    It lies in the sample, or in the hole before it, which has the sample's power; before the first all was idle.
    """
    spans = [(micros(each.start_s), micros(each.end_s)) for each in samples]
    found: dict[str, float] = defaultdict(float)
    for start, end in pairwise(sorted({0, *(bound for span in spans for bound in span)})):
        number = next(n for n, span in enumerate(spans) if span[1] > start)
        owner, owned = samples[number], spans[number]
        if number == 0 and start < owned[0]:
            found["idle"] += IDLE_W * (end - start) / 1e6
        else:
            found[owner.phase] += owner.energy_j * (end - start) / (owned[1] - owned[0])
    return dict(found)


def sums(meter: Metered) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """J by phase, of intervals and of devices."""
    devices: dict[str, float] = defaultdict(float)
    for (phase, *_), energy_j in meter.by_device().items():
        devices[phase] += energy_j
    return {phase: energy_j for phase, (energy_j, _) in meter.by_phase().items()}, devices


def check_whole(meter: Metered, wanted: Mapping[str, float]) -> None:
    """The energies are those, devices add up to them, and the instance's time has no hole and no overlap."""
    intervals, devices = sums(meter)
    for phase in {*wanted, *intervals, *devices}:
        assert intervals.get(phase, 0.0) == pytest.approx(wanted.get(phase, 0.0), rel=1e-9, abs=1e-9)
        assert devices.get(phase, 0.0) == pytest.approx(intervals.get(phase, 0.0), rel=1e-9, abs=1e-9)
    at = START
    for entry in meter.store.ledger.entries(meter.job_id):
        assert entry.emission.energy.start == at
        at = entry.emission.energy.end
    assert at == START + timedelta(seconds=meter.until())


def same(one: Metered, other: Metered) -> None:
    """Equal in energies, emissions, devices and time."""
    assert one.until() == other.until()
    assert one.by_phase().keys() == other.by_phase().keys()
    for phase, (energy_j, emissions_g) in one.by_phase().items():
        assert other.by_phase()[phase] == pytest.approx((energy_j, emissions_g), rel=1e-9)
    assert one.by_device() == pytest.approx(dict(other.by_device()), rel=1e-9, abs=1e-9)


def metered(*, scale: float = 1.0) -> Metered:
    return Metered(root=Path(tempfile.gettempdir()), scale=scale)


@SETTINGS
@given(records(overlaps=True))
def test_every_second_counts_once_with_holes_and_overlaps(samples: list[PowerSample]) -> None:
    one = metered()
    one.deliver(samples)
    check_whole(one, expected(samples))


class Lost(Exception):
    """The controller dies."""


def die_after(one: Metered, samples: Sequence[PowerSample]) -> None:
    with one.store.transaction():
        one.deliver(samples)
        raise Lost


@SETTINGS
@given(records(overlaps=True), st.data())
def test_late_again_and_through_crashes_it_is_the_same(samples: list[PowerSample], data: st.DataObject) -> None:
    """In pieces at any time, some of them twice, with controllers that die before they have committed."""
    plain, troubled = metered(), metered()
    plain.deliver(samples)
    done = 0
    while done < len(samples):
        troubled.clock.wait(data.draw(st.floats(0.0, 600.0)))
        troubled.meter.tick()
        begin = data.draw(st.integers(0, done))
        end = data.draw(st.integers(done + 1, len(samples)))
        if data.draw(st.booleans()):
            with pytest.raises(Lost):
                die_after(troubled, samples[begin:end])
            troubled.meter = troubled.new_meter()
        troubled.deliver(samples[begin:end])
        done = end
    same(plain, troubled)


@SETTINGS
@given(records(overlaps=False), st.data())
def test_finer_samples_are_the_same(samples: list[PowerSample], data: st.DataObject) -> None:
    """Each cut in two, energy and parts in proportion."""
    plain, fine = metered(), metered()
    plain.deliver(samples)
    halves: list[PowerSample] = []
    for each in samples:
        share = data.draw(st.sampled_from([0.25, 0.5, 0.75]))
        middle_s = each.start_s + share * (each.end_s - each.start_s)
        for start_s, end_s, part_of_it in ((each.start_s, middle_s, share), (middle_s, each.end_s, 1 - share)):
            parts = tuple(part(p.device, p.energy_j * part_of_it, p.meter, p.uncertainty) for p in each.parts)
            zero = START.timestamp()
            halves.append(
                sample(
                    len(halves) + 1,
                    start_s - zero,
                    end_s - zero,
                    each.energy_j * part_of_it,
                    phase=each.phase,
                    modelled=each.modelled,
                    parts=parts,
                )
            )
    fine.deliver(halves)
    for phase, (energy_j, emissions_g) in plain.by_phase().items():
        assert fine.by_phase()[phase] == pytest.approx((energy_j, emissions_g), rel=1e-6)
    check_whole(fine, expected(samples))


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(1, 15_000_000), st.floats(0.0, 1e5)), min_size=1, max_size=8),
    st.sampled_from([1.0, 60.0, 900.0]),
)
def test_a_whole_sample_counts_to_the_last_joule(lengths: list[tuple[int, float]], scale: float) -> None:
    """Not only to the precision of times: metered energy is what the agent said, times the clock's scale."""
    one, at_us = metered(scale=scale), 0
    samples: list[PowerSample] = []
    for length_us, energy_j in lengths:
        samples.append(sample(len(samples) + 1, at_us / 1e6, (at_us + length_us) / 1e6, energy_j))
        at_us += length_us
    one.deliver(samples)
    intervals, devices = sums(one)
    assert intervals == {"train": pytest.approx(scale * sum(each.energy_j for each in samples), rel=1e-12)}
    assert devices.get("train", 0.0) == pytest.approx(intervals["train"], rel=1e-12)


GPUS = (part("gpu0", 600.0, "nvml", "counter"), part("gpu1", 300.0, "nvidia-smi", "integrated"))
CPU = part("cpu", 100.0, "model", "model")

# What came, and what is then in the table of devices beside `host` (which idles for the ten seconds before).
DEVICES: dict[str, tuple[list[PowerSample], dict[tuple[str, str, str, str], float]]] = {
    "a whole sample": (
        [sample(1, 10, 20, 1000.0, parts=(*GPUS, CPU))],
        {
            ("train", "gpu0", "nvml", "counter"): 600.0,
            ("train", "gpu1", "nvidia-smi", "integrated"): 300.0,
            ("train", "cpu", "model", "model"): 100.0,
        },
    ),
    "half a sample, the rest is covered": (
        [
            sample(1, 10, 15, 50.0, parts=(part("cpu", 50.0, "rapl", "counter"),)),
            sample(2, 10, 20, 1000.0, parts=(*GPUS, CPU)),
        ],
        {
            ("train", "cpu", "rapl", "counter"): 50.0,
            ("train", "gpu0", "nvml", "counter"): 300.0,
            ("train", "gpu1", "nvidia-smi", "integrated"): 150.0,
            ("train", "cpu", "model", "model"): 50.0,
        },
    ),
    "a hole is only a model of what follows": (
        [
            sample(1, 10, 15, 50.0, parts=(part("cpu", 50.0, "rapl", "counter"),)),
            sample(2, 20, 30, 1000.0, parts=(*GPUS, CPU)),
        ],
        {
            ("train", "cpu", "rapl", "counter"): 50.0,
            ("train", "gpu0", "nvml", "counter"): 600.0,
            ("train", "gpu0", "nvml", "model"): 300.0,
            ("train", "gpu1", "nvidia-smi", "integrated"): 300.0,
            ("train", "gpu1", "nvidia-smi", "model"): 150.0,
            ("train", "cpu", "model", "model"): 150.0,
        },
    ),
    "parts that were rounded": (
        [
            sample(
                1, 10, 20, 1000.0, parts=(part("gpu0", 333.0, "nvml", "counter"), part("cpu", 666.0, "rapl", "counter"))
            )
        ],
        {("train", "gpu0", "nvml", "counter"): 1000.0 / 3, ("train", "cpu", "rapl", "counter"): 2000.0 / 3},
    ),
    "no parts, a counter": (
        [sample(1, 10, 20, 1000.0, meter="rapl")],
        {("train", "host", "rapl", "counter"): 1000.0},
    ),
    "no parts, power readings": (
        [sample(1, 10, 20, 1000.0, meter="nvidia-smi+rapl")],
        {("train", "host", "nvidia-smi+rapl", "integrated"): 1000.0},
    ),
    "no parts, a model": (
        [sample(1, 10, 20, 1000.0, meter="model", modelled=True, phase="checkpoint")],
        {("checkpoint", *HOST): 1000.0},
    ),
    "no energy": ([sample(1, 10, 20, 0.0, parts=(part("gpu0", 0.0, "nvml", "counter"),))], {}),
}


@pytest.mark.parametrize("case", DEVICES)
def test_devices(case: str) -> None:
    samples, wanted = DEVICES[case]
    one = metered()
    one.deliver(samples)
    assert one.by_device() == pytest.approx({("idle", *HOST): 1000.0, **wanted})


def test_a_machine_that_vanished_is_the_host_at_full_load() -> None:
    one = metered()
    one.deliver([sample(1, 0, 10, 900.0, parts=GPUS)])
    one.meter.lost(INSTANCE, START + timedelta(seconds=30))
    assert one.by_device() == {
        ("train", "gpu0", "nvml", "counter"): pytest.approx(600.0),
        ("train", "gpu1", "nvidia-smi", "integrated"): pytest.approx(300.0),
        ("train", *HOST): 20 * BUSY_W,
    }
    # What it sent before, and what reaches us after all.
    one.deliver([sample(1, 0, 10, 900.0), sample(2, 10, 30, 1.0)])
    check_whole(one, {"train": 900.0 + 20 * BUSY_W})


def test_a_clock_that_is_a_little_late_neither_adds_energy_nor_leaves_a_hole() -> None:
    one = metered()
    one.deliver([sample(1, 0, 10, 900.0), sample(2, 10.0004, 20, 500.0)])
    check_whole(one, {"train": 1400.0})
    assert {entry.emission.energy.modelled for entry in one.store.ledger.entries(one.job_id)} == {False}


def test_the_next_generation_on_the_same_instance_is_another_row() -> None:
    one = metered()
    one.deliver([sample(1, 0, 10, 900.0)])
    one.meter.advance(INSTANCE, START + timedelta(seconds=10), then=Accounting.IDLE)
    one.begin(2, START + timedelta(seconds=12))
    # Its agent's clock is two seconds behind: what overlaps has been accounted.
    one.deliver([sample(1, 10, 20, 1000.0), sample(2, 20, 30, 700.0)], generation=2)
    found = {(each.generation, each.phase.value): each.energy_j for each in one.store.devices.of_job(one.job_id)}
    assert found == pytest.approx({(1, "idle"): 200.0, (1, "train"): 900.0, (2, "train"): 1500.0})


def test_all_that_a_sample_tells_is_its_own_generations() -> None:
    one = metered()
    one.deliver([sample(1, 0, 10, 900.0)])
    one.meter.sample(INSTANCE, 7, sample(1, 15, 20, 500.0), first=False)
    found = [
        (each.emission.energy.generation, each.emission.energy.energy_j)
        for each in one.store.ledger.entries(one.job_id)
    ]
    assert found == [(1, 900.0), (7, 500.0), (7, 500.0)]
    assert one.store.instances.get(INSTANCE).generation == 7


def test_parts_are_not_needed() -> None:
    """Samples of an agent that tells no devices come to the same totals."""
    with_parts, without = metered(), metered()
    shares: tuple[EnergyPart, ...] = (*GPUS, CPU)
    with_parts.deliver([sample(1, 0, 10, 1000.0, parts=shares), sample(2, 15, 20, 500.0, parts=shares)])
    without.deliver([sample(1, 0, 10, 1000.0), sample(2, 15, 20, 500.0)])
    assert with_parts.by_phase() == without.by_phase()
