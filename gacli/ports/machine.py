"""One instance as the engine sees it, whatever it is reached by: the steps of a job's life there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from gacli.core.job import Checkpoint
from gacli.core.limits import GpuLimit
from gacli.core.site import PowerModel
from gacli.ports.host import PeerAddress


@dataclass(frozen=True, kw_only=True, slots=True)
class StepProgress:
    """A long step on a machine, for people. what: a short participle (`installing`, `copying checkpoint`)."""

    what: str
    detail: str = ""
    done: float | None = None
    total: float | None = None
    unit: str = ""
    rate: float | None = None


OnStep = Callable[[StepProgress], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkSpec:
    """What a machine needs before a job can start there.

    work_folder: local folder that is copied. exclude: rsync patterns not copied. setup: shell commands, run in the
    copied folder, in order, again only when one of them or an input changed. env: for set-up and training. secrets: the
    same, but kept out of whatever is written or shown, and no reason to set up again.
    checkpoint_path: where the script writes checkpoints, relative to the work folder; None: ga's own folder.
    min_free_bytes: refuse with DiskFull below this.
    """

    job_id: str
    work_folder: Path
    exclude: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    checkpoint_path: str | None = None
    min_free_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StartSpec:
    """One generation's start. epoch_s: the controller's real time, so that a wrong machine clock does no harm.

    lease_s: real seconds without a word from the controller after which the machine stops the trainer; None: never.
    limit: of the GPUs, from the start on; None: they are left as they are.
    """

    generation: int
    site: str
    command: str
    signal: str
    grace_s: float
    sample_s: float
    power: PowerModel
    epoch_s: float
    lease_s: float | None = None
    limit: GpuLimit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitRecord:
    """How a trainer ended, from the record its agent wrote under the lock.

    exit_code: None when killed by signal `signal`. stop_requested: ga had asked. forced: it ignored the signal and was
    killed. complete: the script said that it has finished. started_s, ended_s: real epoch seconds on the controller's
    clock (corrected by the agent). tail: the last lines of its output. stopped_because: `lease` or `preemption` when
    the machine asked by itself.
    """

    generation: int
    exit_code: int | None
    signal: int | None
    stop_requested: bool
    forced: bool
    complete: bool
    started_s: float
    ended_s: float
    tail: str = ""
    stopped_because: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyPart:
    """One device's share of a sample's energy. energy_j: J, >= 0.

    device: `gpu0`…, `cpu` (all packages), `dram`, or `host` (the whole machine, by the site's model). meter: `nvml`,
    `nvml-mig` (the whole GPU, though it is divided), `nvidia-smi`, `rapl` or `model`. uncertainty: `counter` (an energy
    counter), `integrated` (power readings, integrated) or `model`.
    """

    device: str
    energy_j: float
    meter: str
    uncertainty: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerSample:
    """Energy over [start_s, end_s), real epoch seconds on the controller's clock. energy_j: J, >= 0.

    parts: by device; their sum is energy_j. Empty when the machine's agent is of an earlier version.
    """

    seq: int
    start_s: float
    end_s: float
    energy_j: float
    phase: str
    meter: str
    modelled: bool
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    gpu_percent: float | None = None
    parts: tuple[EnergyPart, ...] = ()


EPOCHS: Final = "epoch"
"""The metric by which a script tells how many epochs it has done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressRecord:
    """What the script reported. step counts finished optimizer steps; total_steps None when it told none."""

    seq: int
    at_s: float
    step: int
    total_steps: int | None = None
    loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointSaved:
    """The helper wrote a checkpoint. duration_s: real seconds."""

    seq: int
    at_s: float
    name: str
    step: int
    size_bytes: int
    duration_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitedGpu:
    """What came of a limit at one GPU. power_w, clock_mhz: what is in force now. low, high: what the GPU offers.

    was_w: the power limit that was found. refused: why nothing was changed; empty when it was.
    """

    device: str
    power_w: float | None = None
    clock_mhz: int | None = None
    low: float | None = None
    high: float | None = None
    was_w: float | None = None
    refused: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitOutcome:
    """What came of a limit. limit_id: which; None when everything was put back as the trainer ended.

    gpus: one by one; those of a limit that was lifted tell what was put back. refused: why none could be limited.
    """

    seq: int
    at_s: float
    limit_id: int | None
    gpus: tuple[LimitedGpu, ...] = ()
    refused: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineStatus:
    """What the machine says of one generation.

    lock_held: a process of the job is alive there. exit: None while it runs or when nothing was recorded.
    clock_s: the machine's own clock at this answer, to be given back as `heard_s`; it never jumps.
    preemption_at_s: real epoch seconds at which the provider will take the machine, when it said so.
    """

    generation: int
    agent_alive: bool
    lock_held: bool
    exit: ExitRecord | None
    last_seq: int
    clock_s: float
    preemption_at_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Poll:
    """New telemetry after a sequence number, and the status. `raw` are the agent's JSON lines, verbatim."""

    status: MachineStatus
    power: tuple[PowerSample, ...] = ()
    progress: tuple[ProgressRecord, ...] = ()
    checkpoints: tuple[CheckpointSaved, ...] = ()
    limits: tuple[LimitOutcome, ...] = ()
    raw: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A source's half of a transfer. public_key: of the pair it made for this; manifest: what it would bring."""

    public_key: str
    manifest: Mapping[str, object]


class Machine(Protocol):
    """The playbooks on one instance. Every call blocks, may be repeated, and leaves the same state when it is."""

    def prepare(self, work: WorkSpec, on_step: OnStep) -> None:
        """Prove the machine usable: python3, rsync, free space, folders, agent and helper, work folder, set-up."""
        ...

    def start(self, work: WorkSpec, start: StartSpec) -> None:
        """Start a generation under the lock; fine to repeat for the live generation. LockHeld, StaleGeneration."""
        ...

    def poll(self, job_id: str, generation: int, after_seq: int, heard_s: float | None = None) -> Poll:
        """heard_s: `clock_s` of the newest answer that arrived; the lease of the generation runs from there."""
        ...

    def request_stop(self, job_id: str, generation: int, *, signal: str, grace_s: float) -> None:
        """Ask the trainer to save and exit; returns at once. Watch `poll` for the exit record."""
        ...

    def limit(self, job_id: str, generation: int, limit: GpuLimit) -> None:
        """Have the GPUs limited, or left alone again; returns at once. What came of it is in `poll`.

        They are as they were found once the trainer has ended, whatever becomes of the agent. Nothing happens when the
        generation has ended.
        """
        ...

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """Complete checkpoints on the machine, newest first; sealed by the agent if the script did not."""
        ...

    def fetch_checkpoint(self, job_id: str, checkpoint: Checkpoint, into: Path, on_step: OnStep) -> None:
        """Copy into local folder `into/<name>` and verify it there; CheckpointInvalid when hashes differ."""
        ...

    def send_checkpoint(self, job_id: str, checkpoint: Checkpoint, source: Path, on_step: OnStep) -> None:
        """Copy local folder `source/<name>` to the machine and verify it there. DiskFull, CheckpointInvalid."""
        ...

    # A checkpoint that goes straight from its source to a target: offer, admit, push, settle, revoke.

    def offer(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> Offer:
        """Source: make the key pair of this transfer; its private half never leaves. TransferUnreachable when it can't.

        CheckpointInvalid when the checkpoint is not there. Ends other transfers of the job on this machine.
        """
        ...

    def admit(self, job_id: str, transfer_id: str, checkpoint: Checkpoint, offer: Offer) -> PeerAddress | None:
        """Target: let that key in for this one copy; where the source is to go. None: the checkpoint is there already.

        TransferUnreachable when no other machine can come here; DiskFull. Ends other transfers of the job here.
        """
        ...

    def push(
        self,
        job_id: str,
        transfer_id: str,
        checkpoint: Checkpoint,
        peer: PeerAddress,
        on_step: OnStep,
        again: Sequence[str] = (),
    ) -> None:
        """Source: copy to the target. Goes on without us; called again, it is joined or goes on from what has arrived.

        again: files that arrived damaged: CheckpointInvalid when the source's own are. Also TransferUnreachable,
        PeerKeyChanged, and DiskFull, which is the target's.
        """
        ...

    def settle(self, job_id: str, transfer_id: str, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Target: verify what came and put it in its place. Files to be pushed again; none: it is there, the key void.

        TransferUnreachable when nothing was let in.
        """
        ...

    def revoke(self, job_id: str, transfer_id: str) -> None:
        """Either: end the transfer here: its key lets nobody in, no file is left, nothing runs. Fine without any."""
        ...

    def logs(self, job_id: str, generation: int, offset: int, limit: int) -> bytes:
        """The trainer's output from byte `offset`, at most `limit` bytes."""
        ...

    def teardown(self, job_id: str) -> None:
        """Stop whatever of the job still runs there and remove its folder. Fine when nothing is left."""
        ...

    def close(self) -> None: ...
