"""What the agent answers, turned into the port's records or into a clear error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from ga_playbooks.layout import JobFolder, checkpoint_folder
from ga_playbooks.remote_machine import RemoteMachine
from gacli.core.site import PowerModel
from gacli.errors import (
    CheckpointInvalid,
    CommandFailed,
    DiskFull,
    GaError,
    LockHeld,
    StaleGeneration,
)
from gacli.ports.host import Completed, Host, OnCopy, PeerAddress
from gacli.ports.machine import (
    ExitRecord,
    MachineStatus,
    PowerSample,
    ProgressRecord,
    StartSpec,
    StepProgress,
    WorkSpec,
)


class ScriptedHost(Host):
    """Gives the answers it was made with, in order, and remembers what it was asked."""

    def __init__(self, *answers: bytes | dict[str, Any] | Completed) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[list[str], bytes]] = []

    @property
    @override
    def label(self) -> str:
        return "oslo (me@host:22)"

    @override
    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        self.asked.append((list(argv), stdin))
        answer = self._answers.pop(0)
        if isinstance(answer, Completed):
            return answer
        stdout = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Completed(exit_code=0, stdout=stdout, stderr=b"")

    @override
    def push(
        self,
        source: Path,
        target: str,
        *,
        files: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        mirror: bool = False,
        on_copy: OnCopy | None = None,
    ) -> None:
        raise AssertionError("nothing is copied in these tests")

    @override
    def pull(
        self, source: str, target: Path, *, files: Sequence[str] | None = None, on_copy: OnCopy | None = None
    ) -> None:
        raise AssertionError("nothing is copied in these tests")

    @override
    def peer_address(self) -> PeerAddress | None:
        return None

    @override
    def close(self) -> None:
        pass


EXIT: dict[str, Any] = {
    "generation": 2,
    "exit_code": None,
    "signal": 9,
    "stop_requested": True,
    "forced": True,
    "complete": False,
    "started_s": 10.0,
    "ended_s": 20.5,
    "tail": "the end",
}
STATUS = {
    "ok": True,
    "generation": 2,
    "agent_alive": False,
    "lock_held": False,
    "exit": EXIT,
    "last_seq": 3,
    "clock_s": 9.5,
}
POWER = {
    "seq": 1,
    "t": 12.0,
    "kind": "power",
    "t0": 10.0,
    "t1": 12.0,
    "energy_j": 500.0,
    "phase": "train",
    "meter": "nvml",
    "modelled": False,
    "cpu_percent": 12.5,
    "memory_bytes": 1000,
    "gpu_percent": None,
}
PROGRESS = {"seq": 2, "t": 13.0, "kind": "progress", "step": 7, "total": None, "loss": 0.5, "metrics": {"a": 1}}
SAVED = {"seq": 3, "t": 14.0, "kind": "saved", "name": "step-000000007", "step": 7, "bytes": 5, "duration_s": 0.1}
WORK = WorkSpec(job_id="job-1", work_folder=Path("work"))
START = StartSpec(
    generation=2,
    site="oslo",
    command="true",
    signal="SIGUSR1",
    grace_s=60,
    sample_s=5,
    power=PowerModel(idle_w=1, busy_w=2),
    epoch_s=1e9,
)


def lines(*records: dict[str, Any]) -> list[str]:
    return [json.dumps(record) for record in records]


def test_a_poll_is_put_together_from_its_pieces() -> None:
    host = ScriptedHost(
        {**STATUS, "exit": None, "records": lines(POWER, PROGRESS), "through": 2, "more": True},
        {**STATUS, "records": lines(SAVED, {"seq": 4, "kind": "something newer"}), "through": 4, "more": False},
    )
    poll = RemoteMachine(host).poll("job-1", 2, 0)
    assert poll.status == MachineStatus(
        generation=2, agent_alive=False, lock_held=False, exit=ExitRecord(**EXIT), last_seq=3, clock_s=9.5
    )
    assert poll.power == (
        PowerSample(
            seq=1,
            start_s=10.0,
            end_s=12.0,
            energy_j=500.0,
            phase="train",
            meter="nvml",
            modelled=False,
            cpu_percent=12.5,
            memory_bytes=1000,
        ),
    )
    assert poll.progress == (ProgressRecord(seq=2, at_s=13.0, step=7, loss=0.5, metrics={"a": 1.0}),)
    assert [saved.name for saved in poll.checkpoints] == ["step-000000007"]
    assert poll.raw == tuple(lines(POWER, PROGRESS, SAVED, {"seq": 4, "kind": "something newer"}))
    assert [argv[argv.index("--after") + 1] for argv, _ in host.asked] == ["0", "2"]


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"ok": False, "error": "locked", "recorded": 4}, LockHeld, "last generation started: 4"),
        ({"ok": False, "error": "stale_generation", "recorded": 4}, StaleGeneration, "generation 4"),
        ({"ok": False, "error": "disk_full", "detail": "no space"}, DiskFull, "no space"),
        ({"ok": False, "error": "mismatch", "bad": list("abcdefg")}, CheckpointInvalid, "a, b, c, d, e and 2 more"),
        ({"ok": False, "error": "spawn_failed", "detail": "no /bin/sh"}, GaError, "no /bin/sh"),
        ({"ok": False, "error": "not_prepared"}, GaError, "no folder on this machine"),
        ({"ok": False, "error": "brand new"}, GaError, "brand new"),
        ({"ok": "yes"}, GaError, "expected one JSON object"),
        (b"Welcome to Ubuntu\n{}", GaError, "Welcome to Ubuntu"),
        (b"", GaError, "expected one JSON object"),
        (b"[1]", GaError, "expected one JSON object"),
        (Completed(exit_code=2, stdout=b"", stderr=b"python3: broken"), CommandFailed, "python3: broken"),
    ],
)
def test_an_error_says_where_and_what(answer: bytes | dict[str, Any], error: type[GaError], said: str) -> None:
    with pytest.raises(error) as raised:
        RemoteMachine(ScriptedHost(answer)).start(WORK, START)
    assert said in str(raised.value)
    assert "oslo (me@host:22)" in str(raised.value)


GOOD = {**STATUS, "records": [], "through": 0, "more": False}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"last_seq": -1}, "last_seq"),
        ({"exit": {**EXIT, "ended_s": None}}, "exit.ended_s"),
        ({"lock_held": "perhaps"}, "lock_held"),
        ({"records": lines({**POWER, "energy_j": -1})}, "energy_j"),
        ({"records": lines({**POWER, "t0": "early"})}, "t0"),
        ({"records": lines({"seq": 1})}, "kind"),
        ({"records": ["{"]}, "expected a telemetry record"),
        ({"records": ['{"seq":1,"kind":"power","energy_j":NaN}']}, "energy_j"),
    ],
)
def test_a_malformed_poll_names_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(GaError) as raised:
        RemoteMachine(ScriptedHost({**GOOD, **changes})).poll("job-1", 2, 0)
    assert said in str(raised.value)


def test_a_checkpoints_name_from_a_machine_cannot_leave_the_folder() -> None:
    listed = {"name": "../../etc", "step": 1, "sha256": "0" * 64, "size_bytes": 1, "files": 1}
    with pytest.raises(GaError, match="name"):
        RemoteMachine(ScriptedHost({"ok": True, "checkpoints": [listed]})).checkpoints("job-1")


def test_a_machine_without_the_job_has_no_checkpoints() -> None:
    assert RemoteMachine(ScriptedHost({"ok": False, "error": "not_prepared"})).checkpoints("job-1") == []


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Completed(exit_code=61, stdout=b"", stderr=b""), GaError, "apt-get install python3"),
        (Completed(exit_code=62, stdout=b"", stderr=b""), GaError, "apt-get install rsync"),
        ({"ok": True, "python": [3, 7], "platform": "linux"}, GaError, "3.8 or newer, found 3.7"),
        ({"ok": True, "python": [3, 12], "platform": "darwin"}, GaError, "expected Linux, found darwin"),
        ({"ok": True, "python": [3, 12], "platform": "linux", "free_bytes": 1 << 30}, DiskFull, "found 1.0 GiB"),
        (Completed(exit_code=1, stdout=b"", stderr=b"Read-only file system"), CommandFailed, "Read-only"),
    ],
)
def test_an_unusable_machine_is_named_with_what_it_lacks(
    answer: dict[str, Any] | Completed, error: type[GaError], said: str
) -> None:
    steps: list[StepProgress] = []
    work = WorkSpec(job_id="job-1", work_folder=Path("work"), min_free_bytes=20 << 30)
    with pytest.raises(error) as raised:
        RemoteMachine(ScriptedHost(answer)).prepare(work, steps.append)
    assert said in str(raised.value)
    assert "oslo (me@host:22)" in str(raised.value)


def test_secrets_of_the_environment_are_no_arguments() -> None:
    host = ScriptedHost({"ok": True})
    RemoteMachine(host).start(WorkSpec(job_id="job-1", work_folder=Path("work"), env={"KEY": "s3cret"}), START)
    ((argv, stdin),) = host.asked
    assert "s3cret" not in " ".join(argv)
    assert b"s3cret" in stdin


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "-rf", "a b", "x" * 129, "ü"])
def test_a_job_id_that_could_be_a_path_is_refused(job_id: str) -> None:
    with pytest.raises(GaError, match="job id"):
        JobFolder(job_id)


@pytest.mark.parametrize(
    ("path", "folder"),
    [(None, "checkpoints"), ("out/ckpt", "work/out/ckpt"), ("./out/", "work/out")],
)
def test_checkpoints_lie_below_the_work_folder(path: str | None, folder: str) -> None:
    assert checkpoint_folder(WorkSpec(job_id="j", work_folder=Path(), checkpoint_path=path)) == folder


@pytest.mark.parametrize("path", ["/data", "../data", "a/../../b", ".", ""])
def test_a_checkpoint_path_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(GaError, match="checkpoint path"):
        checkpoint_folder(WorkSpec(job_id="j", work_folder=Path(), checkpoint_path=path))
