"""Start a generation, follow it, ask it to stop, read its output."""

from __future__ import annotations

import base64
import binascii

from ga_playbooks.ask import ask
from ga_playbooks.layout import JobFolder, checkpoint_folder
from ga_playbooks.messages import Done, LogsAnswer, PollAnswer, parse_poll
from gacli.core.limits import GpuLimit
from gacli.errors import GaError
from gacli.ports.host import Host
from gacli.ports.machine import Poll, StartSpec, WorkSpec

START_TIMEOUT_S = 120.0
"""A start asks the GPU driver twice, and the first question after a boot can take it long."""


def start(host: Host, work: WorkSpec, spec: StartSpec) -> None:
    """Start a generation under the job's lock. LockHeld, StaleGeneration, GaError when the command cannot be run."""
    ask(
        host,
        JobFolder(work.job_id),
        "launch",
        expect=Done,
        stdin={
            "job": work.job_id,
            "generation": spec.generation,
            "site": spec.site,
            "command": spec.command,
            "env": {**work.env, **work.secrets},
            "work_dir": "work",
            "checkpoint_dir": checkpoint_folder(work),
            "signal": spec.signal,
            "grace_s": spec.grace_s,
            "sample_s": spec.sample_s,
            "lease_s": spec.lease_s,
            "limit": None if spec.limit is None else _limit(spec.limit),
            "power": {"idle_w": spec.power.idle_w, "busy_w": spec.power.busy_w, "stated": spec.power.stated},
            "epoch_s": spec.epoch_s,
        },
        timeout_s=START_TIMEOUT_S,
        what=f"starting generation {spec.generation}",
    )


def poll(host: Host, job_id: str, generation: int, after_seq: int, heard_s: float | None = None) -> Poll:
    """All telemetry after `after_seq`, and the status that goes with it: after an exit record nothing more comes."""
    answers: list[PollAnswer] = []
    while not answers or answers[-1].more:
        after_seq = answers[-1].through if answers else after_seq
        arguments = ["--generation", str(generation), "--after", str(after_seq)]
        arguments += [] if heard_s is None else ["--heard-s", repr(heard_s)]
        answers.append(ask(host, JobFolder(job_id), "poll", *arguments, expect=PollAnswer))
    return parse_poll(answers, where=f"{host.label}: telemetry of generation {generation}")


def request_stop(host: Host, job_id: str, generation: int, *, signal: str, grace_s: float) -> None:
    """Have the trainer asked to save and exit within the grace period; returns at once."""
    arguments = ["--generation", str(generation), "--signal", signal, "--grace-s", repr(grace_s)]
    ask(host, JobFolder(job_id), "stop", *arguments, expect=Done, what=f"stopping generation {generation}")


def limit(host: Host, job_id: str, generation: int, limit: GpuLimit) -> None:
    """Have the agent limit the GPUs; returns at once."""
    what = f"limiting the GPUs of generation {generation}"
    arguments = ["--generation", str(generation)]
    ask(host, JobFolder(job_id), "limit", *arguments, expect=Done, stdin=_limit(limit), what=what)


def _limit(limit: GpuLimit) -> dict[str, object]:
    return {"limit": limit.limit_id, "power_w": limit.power_w, "clock_mhz": limit.clock_mhz}


def logs(host: Host, job_id: str, generation: int, offset: int, limit: int) -> bytes:
    """The trainer's output from byte `offset`, at most `limit` bytes."""
    arguments = ["--generation", str(generation), "--offset", str(offset), "--limit", str(limit)]
    answer = ask(host, JobFolder(job_id), "logs", *arguments, expect=LogsAnswer)
    try:
        return base64.b64decode(answer.data, validate=True)
    except binascii.Error as problem:
        raise GaError(f"{host.label}: logs: expected base64 from the agent, found {answer.data[:80]!r}") from problem
