"""The agent's answers and telemetry lines, checked, and turned into the port's records."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gacli.core.job import Checkpoint
from gacli.errors import GaError
from gacli.ports.machine import (
    CheckpointSaved,
    EnergyPart,
    ExitRecord,
    LimitedGpu,
    LimitOutcome,
    MachineStatus,
    Poll,
    PowerSample,
    ProgressRecord,
)

Seq = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Message(BaseModel):
    """Unknown keys are fine: an agent that is newer or older than this program may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Done(Message):
    """An answer that says no more than that it worked."""


class ExitMessage(Message):
    generation: Count
    exit_code: int | None
    signal: int | None
    stop_requested: bool
    forced: bool
    complete: bool
    started_s: float
    ended_s: float
    tail: str = ""
    stopped_because: str = ""

    def record(self) -> ExitRecord:
        return ExitRecord(**dict(self))


class PollAnswer(Message):
    generation: Count
    agent_alive: bool
    lock_held: bool
    exit: ExitMessage | None
    last_seq: Count
    clock_s: float
    preemption_at_s: float | None = None
    records: list[str]
    through: Count
    more: bool


class LogsAnswer(Message):
    data: str


class ListedCheckpoint(Message):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    step: Annotated[int, Field(ge=-1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size_bytes: Count
    files: Count

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(**dict(self))


class CheckpointsAnswer(Message):
    checkpoints: list[ListedCheckpoint]


class ManifestAnswer(Message):
    folder: str
    manifest: dict[str, object]


class ReceiveAnswer(Message):
    present: bool
    folder: str = ""


class OfferAnswer(Message):
    public_key: str
    manifest: dict[str, object]


class AdmitAnswer(Message):
    present: bool


class PushingAnswer(Message):
    state: Literal["running", "done", "gone"]
    done_bytes: Count = 0
    total_bytes: Count = 0
    rate: Amount = 0.0


class SettleAnswer(Message):
    bad: list[str]


class PartLine(Message):
    device: Annotated[str, Field(pattern="^(gpu[0-9]+|cpu|dram|host)$")]
    energy_j: Amount
    meter: Annotated[str, Field(min_length=1)]
    uncertainty: Literal["counter", "integrated", "model"]

    def part(self) -> EnergyPart:
        return EnergyPart(device=self.device, energy_j=self.energy_j, meter=self.meter, uncertainty=self.uncertainty)


class PowerLine(Message):
    seq: Seq
    t0: float
    t1: float
    energy_j: Amount
    phase: str
    meter: str
    modelled: bool
    cpu_percent: Amount | None = None
    memory_bytes: Count | None = None
    gpu_percent: Amount | None = None
    parts: list[PartLine] = []

    @model_validator(mode="after")
    def _parts_are_the_whole(self) -> Self:
        parts_j = math.fsum(part.energy_j for part in self.parts)
        if self.parts and not math.isclose(parts_j, self.energy_j, rel_tol=1e-9, abs_tol=1e-9):
            raise ValueError(f"expected parts of {self.energy_j} J in all, found {parts_j} J")
        return self


class ProgressLine(Message):
    seq: Seq
    t: float
    step: Count
    total: Count | None = None
    loss: float | None = None
    metrics: dict[str, float] = {}


class SavedLine(Message):
    seq: Seq
    t: float
    name: str
    step: int
    bytes: Count
    duration_s: Amount


class LimitedGpuLine(Message):
    device: Annotated[str, Field(pattern="^gpu[0-9]+$")]
    power_w: Amount | None = None
    clock_mhz: Count | None = None
    low: Amount | None = None
    high: Amount | None = None
    was_w: Amount | None = None
    refused: str = ""

    def gpu(self) -> LimitedGpu:
        return LimitedGpu(**dict(self))


class LimitLine(Message):
    seq: Seq
    t: float
    limit: int | None
    gpus: list[LimitedGpuLine]
    refused: str


def parse_poll(answers: Sequence[PollAnswer], *, where: str) -> Poll:
    """One poll from its parts in order (the agent sends long telemetry in pieces); the last part's status holds.

    GaError when a line is not what an agent writes: energy must not be lost silently.
    """
    power: list[PowerSample] = []
    progress: list[ProgressRecord] = []
    saved: list[CheckpointSaved] = []
    limits: list[LimitOutcome] = []
    raw = [line for answer in answers for line in answer.records]
    for line in raw:
        try:
            kind = json.loads(line)["kind"]
            if kind == "power":
                power.append(_power(PowerLine.model_validate_json(line)))
            elif kind == "progress":
                progress.append(_progress(ProgressLine.model_validate_json(line)))
            elif kind == "saved":
                saved.append(_saved(SavedLine.model_validate_json(line)))
            elif kind == "limit":
                limits.append(_limit(LimitLine.model_validate_json(line)))
        except (ValidationError, ValueError, KeyError, TypeError) as problem:
            raise GaError(f"{where}: expected a telemetry record, found {line[:300]!r}: {problem}") from problem
    last = answers[-1]
    status = MachineStatus(
        generation=last.generation,
        agent_alive=last.agent_alive,
        lock_held=last.lock_held,
        exit=last.exit.record() if last.exit else None,
        last_seq=last.last_seq,
        clock_s=last.clock_s,
        preemption_at_s=last.preemption_at_s,
    )
    return Poll(
        status=status,
        power=tuple(power),
        progress=tuple(progress),
        checkpoints=tuple(saved),
        limits=tuple(limits),
        raw=tuple(raw),
    )


def _power(line: PowerLine) -> PowerSample:
    return PowerSample(
        seq=line.seq,
        start_s=line.t0,
        end_s=line.t1,
        energy_j=line.energy_j,
        phase=line.phase,
        meter=line.meter,
        modelled=line.modelled,
        cpu_percent=line.cpu_percent,
        memory_bytes=line.memory_bytes,
        gpu_percent=line.gpu_percent,
        parts=tuple(part.part() for part in line.parts),
    )


def _progress(line: ProgressLine) -> ProgressRecord:
    return ProgressRecord(
        seq=line.seq,
        at_s=line.t,
        step=line.step,
        total_steps=line.total,
        loss=line.loss,
        metrics=line.metrics,
    )


def _saved(line: SavedLine) -> CheckpointSaved:
    return CheckpointSaved(
        seq=line.seq,
        at_s=line.t,
        name=line.name,
        step=line.step,
        size_bytes=line.bytes,
        duration_s=line.duration_s,
    )


def _limit(line: LimitLine) -> LimitOutcome:
    return LimitOutcome(
        seq=line.seq,
        at_s=line.t,
        limit_id=line.limit,
        gpus=tuple(gpu.gpu() for gpu in line.gpus),
        refused=line.refused,
    )
