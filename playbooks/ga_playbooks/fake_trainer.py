"""A modelled trainer under a modelled agent: the same records as the real ones, computed from times alone.

It trains at a steady pace, draws its site's busy power, and idle power while it saves. Nothing runs: `advance` works
out what has happened since the last look, event by event, so that equal calls give equal records.
"""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from ga_playbooks.messages import ExitMessage
from gacli.core.limits import GpuLimit
from gacli.ports.machine import StartSpec

STOPPED = 75
"""The exit code of a script that has saved and left because it was asked to."""

_GPU_W = 300.0
_LEAP_S = 1e-6  # times are sums of many floats: what is this close is now


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerModel:
    """A trainer's pace and size, in real seconds.

    steps_per_s > 0. total_steps: it completes after these. checkpoint_every_steps: 0 saves only at the end and when
    asked to stop. checkpoint_bytes > 0: the files are really written when a checkpoint is copied here. save_s >= 0.
    steps_per_epoch: 0: it tells nothing of epochs. setup_s: what preparing a new machine takes. copy_bytes_per_s: of
    checkpoints; infinite takes no time.
    """

    steps_per_s: float
    total_steps: int
    checkpoint_every_steps: int = 0
    checkpoint_bytes: int = 1000
    save_s: float = 1.0
    steps_per_epoch: int = 0
    setup_s: float = 0.0
    copy_bytes_per_s: float = math.inf


@dataclass(kw_only=True, slots=True)
class Faults:
    """What goes wrong on a modelled machine; may be changed at any time.

    unreachable: every call fails, what runs goes on. ignores_signal: stopping takes the whole grace period and saves
    nothing. preempted_at_s: the machine is told when its provider will take it. crash_at_step: exit code 1 when this
    step is reached. corrupt_checkpoints: every copy fails verification.
    Of checkpoints that other machines bring: hidden_from_peers: none comes through. cut_arrivals, corrupt_arrivals: so
    many of the next are cut in the middle, or arrive damaged.
    """

    unreachable: bool = False
    ignores_signal: bool = False
    preempted_at_s: float | None = None
    crash_at_step: int | None = None
    corrupt_checkpoints: bool = False
    limits_refused: str = ""
    hidden_from_peers: bool = False
    cut_arrivals: int = 0
    corrupt_arrivals: int = 0


@dataclass(kw_only=True)
class ModelledRun:
    """One generation. first_step: that of the checkpoint it resumed from. saved(step) stores a checkpoint."""

    model: TrainerModel
    faults: Faults
    spec: StartSpec
    first_step: int
    started_s: float
    saved: Callable[[int], str]
    records: list[str] = field(default_factory=list)
    exit: ExitMessage | None = None

    def __post_init__(self) -> None:
        self._now_s = self._sampled_s = self.started_s
        self._phase = "train"
        # In `train`, step _base_step was finished at _base_s; in `checkpoint` the save ends at _saved_at_s.
        self._base_step, self._base_s = self.first_step, self.started_s
        self._save_began_s = self._saved_at_s = math.inf
        self._stop_requested = False
        self._stopped_because = ""
        self._deadline_s = math.inf
        self._heard_s = self.started_s
        self._limited: GpuLimit | None = None
        self._record("start", {"generation": self.spec.generation, "site": self.spec.site, "gpus": 1, "pid": 1})
        if self.spec.limit is not None:
            self.limit(self.spec.limit)

    @property
    def log(self) -> bytes:
        """What the trainer has printed."""
        lines = [f"training from step {self.first_step}"]
        if self.exit is not None:
            lines.append(f"left at step {self._base_step}")
        return "".join(f"{line}\n" for line in lines).encode()

    def advance(self, now_s: float) -> None:
        """Let everything up to `now_s` (real epoch seconds, never earlier than before) happen."""
        while self.exit is None:
            at_s, happen = min(self._events(), key=lambda event: event[0])
            if at_s > now_s + _LEAP_S:
                self._now_s = max(self._now_s, now_s)
                return
            self._now_s = max(self._now_s, at_s)
            happen()

    def request_stop(self, now_s: float, *, signal_name: str, grace_s: float) -> None:
        """Ask it to save and leave; asking again changes nothing."""
        self.advance(now_s)
        if self.exit is None and not self._stop_requested:
            self._ask(signal_name, grace_s)

    def heard(self, at_s: float) -> None:
        """The lease runs from there."""
        self._heard_s = max(self._heard_s, at_s)

    def limit(self, limit: GpuLimit) -> None:
        """Of one GPU that takes any limit. Asking again changes nothing; what it draws stays as the site says."""
        if self.exit is None and limit != self._limited:
            self._limited = limit
            gpu: dict[str, object] = {"device": "gpu0", "refused": self.faults.limits_refused}
            if not self.faults.limits_refused:
                gpu.update(power_w=limit.power_w or _GPU_W, clock_mhz=limit.clock_mhz, was_w=_GPU_W)
            self._record("limit", {"limit": limit.limit_id, "gpus": [gpu], "refused": ""})

    def _put_back(self) -> None:
        if self._limited is not None and not self._limited.off and not self.faults.limits_refused:
            gpu = {"device": "gpu0", "power_w": _GPU_W, "refused": ""}
            self._record("limit", {"limit": None, "gpus": [gpu], "refused": ""})

    def _ask(self, signal_name: str, grace_s: float, because: str = "") -> None:
        self._stopped_because = because
        self._sample()
        self._stop_requested = True
        self._deadline_s = self._now_s + grace_s
        self._record("stop", {"signal": signal_name, "grace_s": grace_s, "sent": signal_name, "pids": [1]})
        if self._phase == "train" and not self.faults.ignores_signal:
            self._begin_save(self._step())

    def _events(self) -> list[tuple[float, Callable[[], None]]]:
        events: list[tuple[float, Callable[[], None]]] = [
            (self._deadline_s, self._kill),
            (self._sampled_s + self.spec.sample_s, self._sample),
        ]
        if not self._stop_requested:
            lease_s = math.inf if self.spec.lease_s is None else self.spec.lease_s
            events.append((self._heard_s + lease_s, lambda: self._ask_unasked("lease")))
            if self.faults.preempted_at_s is not None:
                events.append((self._now_s, lambda: self._ask_unasked("preemption")))
        if self._phase == "checkpoint":
            return [(self._saved_at_s, self._end_save), *events]
        targets: list[tuple[int, Callable[[], None]]] = [(self.model.total_steps, self._save_now)]
        if self.model.checkpoint_every_steps:
            every = self.model.checkpoint_every_steps
            targets.append(((self._base_step // every + 1) * every, self._save_now))
        if self.faults.crash_at_step is not None and self.faults.crash_at_step > self.first_step:
            targets.append((self.faults.crash_at_step, self._crash))
        # A crash comes before a save at the same step: what was not saved yet is lost.
        step, happen = min(reversed(targets), key=lambda target: target[0])
        step = max(step, self._base_step)
        return [(self._base_s + (step - self._base_step) / self.model.steps_per_s, happen), *events]

    def _ask_unasked(self, because: str) -> None:
        self._ask(self.spec.signal, self.spec.grace_s, because)

    def _step(self) -> int:
        if self._phase == "checkpoint":
            return self._base_step
        done = math.floor((self._now_s - self._base_s + _LEAP_S) * self.model.steps_per_s)
        return min(self._base_step + done, self.model.total_steps)

    def _sample(self) -> None:
        duration_s = self._now_s - self._sampled_s
        if duration_s > 0:
            power = self.spec.power
            power_w = power.busy_w if self._phase == "train" else power.idle_w
            whole = {"energy_j": power_w * duration_s, "meter": "model"}
            self._record(
                "power",
                {
                    "t0": self._sampled_s,
                    "t1": self._now_s,
                    **whole,
                    "phase": self._phase,
                    "modelled": True,
                    "cpu_percent": 100.0 if self._phase == "train" else 0.0,
                    "memory_bytes": self.model.checkpoint_bytes,
                    "gpu_percent": None,
                    "parts": [{"device": "host", **whole, "uncertainty": "model"}],
                },
            )
            self._sampled_s = self._now_s
        if self._phase == "train" and self._step() > self.first_step:
            step = self._step()
            loss = 1.0 / (1.0 + step / 100.0)
            epochs = {"epoch": step / self.model.steps_per_epoch} if self.model.steps_per_epoch else {}
            self._record("progress", {"step": step, "total": self.model.total_steps, "loss": loss, "metrics": epochs})

    def _save_now(self) -> None:
        self._begin_save(self._step())

    def _begin_save(self, step: int) -> None:
        self._sample()
        self._phase = "checkpoint"
        self._base_step = step
        self._save_began_s, self._saved_at_s = self._now_s, self._now_s + self.model.save_s

    def _end_save(self) -> None:
        step = self._base_step
        self._sample()
        size, duration_s = self.model.checkpoint_bytes, self._now_s - self._save_began_s
        self._record("saved", {"name": self.saved(step), "step": step, "bytes": size, "duration_s": duration_s})
        self._phase, self._base_s = "train", self._now_s
        if step >= self.model.total_steps:
            self._record("complete", {})
            self._leave(exit_code=0, complete=True)
        elif self._stop_requested and not self.faults.ignores_signal:
            self._leave(exit_code=STOPPED)

    def _crash(self) -> None:
        self._sample()
        self._leave(exit_code=1)

    def _kill(self) -> None:
        self._sample()
        self._leave(killed_by=int(signal.SIGTERM))

    def _leave(self, *, exit_code: int | None = None, killed_by: int | None = None, complete: bool = False) -> None:
        self._base_step = self._step()
        self._put_back()
        self.exit = ExitMessage(
            generation=self.spec.generation,
            exit_code=exit_code,
            signal=killed_by,
            stop_requested=self._stop_requested,
            stopped_because=self._stopped_because,
            forced=killed_by is not None,
            complete=complete,
            started_s=self.started_s,
            ended_s=self._now_s,
            tail=f"left at step {self._base_step}",
        )
        self._record("exit", self.exit.model_dump())

    def _record(self, kind: str, fields: dict[str, object]) -> None:
        record = {"seq": len(self.records) + 1, "t": self._now_s, "kind": kind, **fields}
        self.records.append(json.dumps(record, separators=(",", ":")))
