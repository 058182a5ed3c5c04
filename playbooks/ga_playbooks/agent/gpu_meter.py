"""All GPUs of the machine, read in a thread of their own, because a wedged driver must not delay a signal."""

from __future__ import annotations

import threading
from typing import Any, List, Optional

from .clock import monotonic_s
from .files import Json
from .gpu import SmiSource
from .nvml import NvmlSource, load_binding
from .tally import MODEL, Reading, Tally, part
from .telling import Tell

STALE_S = 30.0
NVML_EVERY_S = 1.25  # samples ask as well: at one each second nothing is read twice
NVML_PATIENCE_S = 0.05  # for a reading that takes milliseconds, under a supervisor that looks every 100
OPENING_S = 20.0


class GpuMeter:
    """source: `read()` gives a reading for each GPU (none at all: it failed), `meter(index)` what that is called,
    `binding` NVML's where it reads through that.

    patience_s: how long a sample waits for a reading of its own; 0: it does with those that come `every_s`.
    """

    def __init__(self, source: Any, every_s: float, patience_s: float, tell: Tell) -> None:
        self.source, self.every_s, self.patience_s, self.tell = source, every_s, patience_s, tell
        self.changed = threading.Condition()
        self.wanted = threading.Event()
        self.watched = self.wedged = False
        self.rounds = 0
        first = source.read()
        self.tallies = [Tally(max(STALE_S, 3 * every_s)) for _ in first]
        self.store(first)
        self.works = any(tally.read_at_s is not None for tally in self.tallies)

    @property
    def binding(self) -> Any:
        return self.source.binding

    @property
    def percent(self) -> Optional[float]:
        with self.changed:
            known = [tally.percent for tally in self.tallies if tally.percent is not None]
        return sum(known) / len(known) if known else None

    def read(self) -> None:
        try:
            readings: List[Reading] = self.source.read()
        except Exception as problem:  # whatever a driver's binding raises, the next reading is another try
            self.tell("GPUs: a reading failed: %s: %s" % (type(problem).__name__, problem))
            readings = []
        self.store(readings)

    def store(self, readings: List[Reading]) -> None:
        with self.changed:
            for index, tally in enumerate(self.tallies):
                said = readings[index] if index < len(readings) else Reading(monotonic_s(), None, None, None)
                if not tally.read(said):
                    self.tell("gpu%d: tells nothing: its energy is modelled while that lasts" % index)
            self.rounds += 1
            self.wedged = False
            self.changed.notify_all()

    def watch(self) -> None:
        def forever() -> None:
            while True:
                self.wanted.wait(self.every_s)
                self.wanted.clear()
                self.read()

        self.watched = True
        threading.Thread(target=forever, daemon=True).start()

    def take(self) -> List[Json]:
        """Each GPU's energy since the last call. One that never told anything draws what the others do on average."""
        now_s = monotonic_s()
        with self.changed:
            if self.watched and self.patience_s and not self.wedged:
                awaited = self.rounds + 1
                self.wanted.set()
                # Who did not answer once is not waited for again until it does.
                self.wedged = not self.changed.wait_for(lambda: self.rounds >= awaited, self.patience_s)
                if self.wedged:
                    self.tell("GPUs: no reading within %g s: samples go on without" % self.patience_s)
            taken = [None if tally.read_at_s is None else tally.take(now_s) for tally in self.tallies]
        told_j = [energy_j for energy_j, _ in filter(None, taken)]
        mean_j = sum(told_j) / len(told_j) if told_j else 0.0
        parts = []
        for index, each in enumerate(taken):
            energy_j, uncertainty = each or (mean_j, MODEL)
            meter = "model" if uncertainty == MODEL else self.source.meter(index)
            parts.append(part("gpu%d" % index, energy_j, meter, uncertainty))
        return parts


def open_nvml(folder: str, tell: Tell) -> Optional[GpuMeter]:
    """None when the binding, the library or the driver fails, or takes too long."""
    opened: List[GpuMeter] = []

    def opening() -> None:
        try:
            source = NvmlSource(load_binding(folder), tell)
            opened.append(GpuMeter(source, NVML_EVERY_S, NVML_PATIENCE_S, tell))
        except Exception as problem:  # whatever it is, nvidia-smi is there for
            tell("NVML cannot be used: %s: %s" % (type(problem).__name__, problem))

    thread = threading.Thread(target=opening, daemon=True)
    thread.start()
    thread.join(OPENING_S)
    if thread.is_alive():
        tell("NVML cannot be used: no answer in %g s" % OPENING_S)
    return opened[0] if opened and opened[0].works else None


def open_gpus(folder: str, sample_s: float, tell: Tell) -> Optional[GpuMeter]:
    """The best meter there is; folder: where the binding is. None: no GPU can be read."""
    meter = open_nvml(folder, tell) or GpuMeter(SmiSource(), max(sample_s, 1.0), 0.0, tell)
    if meter.works:
        return meter
    tell("GPUs cannot be metered: neither NVML nor nvidia-smi tells their energy or power")
    return None
