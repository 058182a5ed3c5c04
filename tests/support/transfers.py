"""Two machines, each a real sshd, that bring a checkpoint straight from one to the other."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from support.sshd import Sshd

from ga_playbooks.agent.manifests import manifest_digest
from ga_playbooks.remote_machine import RemoteMachine
from gacli.core.job import Checkpoint
from gacli.ports.host import PeerAddress
from gacli.ports.machine import Offer, StepProgress, WorkSpec
from gacli.transport.pins import Pins
from gacli.transport.ssh import SshHost

JOB = "job-1"
TRANSFER = "p7"
FILES: Mapping[str, bytes] = {"model.bin": b"weights" * 1000, "shards/a b#.bin": b"a" * 5000, "empty": b""}


@dataclass(kw_only=True)
class Place:
    """A machine behind its sshd, and what it said."""

    sshd: Sshd
    host: SshHost
    machine: RemoteMachine
    steps: list[StepProgress] = field(default_factory=list)

    @property
    def job(self) -> Path:
        return self.sshd.home / ".ga" / "jobs" / JOB

    @property
    def checkpoints(self) -> Path:
        return self.job / "checkpoints"

    @property
    def transfer(self) -> Path:
        return self.job / "transfer" / TRANSFER

    @property
    def authorized(self) -> str:
        file = self.sshd.home / ".ssh" / "authorized_keys"
        return file.read_text() if file.exists() else ""

    def save(self, step: int, files: Mapping[str, bytes] = FILES) -> Checkpoint:
        """A checkpoint as the helper writes it, and as the machine then lists it."""
        folder = self.checkpoints / f"step-{step:09d}"
        listed: list[dict[str, object]] = []
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            listed.append({"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
        manifest = {"format": 1, "step": step, "files": listed, "sha256": manifest_digest(listed)}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return self.machine.checkpoints(JOB)[0]

    def content(self, checkpoint: Checkpoint) -> dict[str, bytes]:
        folder = self.checkpoints / checkpoint.name
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "manifest.json"
        }

    def programs(self, name: str) -> list[psutil.Process]:
        """Live programs of that name that work for the transfer here."""
        found = []
        for process in psutil.process_iter(["name"]):
            try:
                ours = process.environ().get("GA_RUN_DIR", "").startswith(str(self.job / "transfer"))
            except psutil.Error:
                continue
            if ours and process.info["name"] == name:
                found.append(process)
        return found


@dataclass(kw_only=True)
class Pair:
    """A source and a target; the steps of a transfer between them, as the engine takes them."""

    source: Place
    target: Place
    pins: Pins
    work: WorkSpec

    def begin(self, checkpoint: Checkpoint) -> tuple[Offer, PeerAddress]:
        offer = self.source.machine.offer(JOB, TRANSFER, checkpoint)
        address = self.target.machine.admit(JOB, TRANSFER, checkpoint, offer)
        assert address is not None
        return offer, address

    def push(self, checkpoint: Checkpoint, address: PeerAddress, *, again: tuple[str, ...] = ()) -> None:
        self.source.machine.push(JOB, TRANSFER, checkpoint, address, self.source.steps.append, again)

    def settle(self, checkpoint: Checkpoint) -> tuple[str, ...]:
        return self.target.machine.settle(JOB, TRANSFER, checkpoint)

    def revoke(self) -> None:
        for place in (self.target, self.source):
            place.machine.revoke(JOB, TRANSFER)

    def assert_clean(self) -> None:
        """No key, no line, no process, no file of a transfer is left."""
        for place in (self.source, self.target):
            assert "ga-transfer" not in place.authorized
            assert not place.transfer.exists()
            assert place.programs("rsync") == place.programs("ssh") == []


@contextmanager
def pair_in(folder: Path, *, target_config: str = "") -> Iterator[Pair]:
    """Both machines prepared for the job; nothing of it runs afterwards."""
    work = WorkSpec(job_id=JOB, work_folder=folder / "mine")
    work.work_folder.mkdir(parents=True)
    pins = Pins(folder / "pins")
    with Sshd(folder / "oslo") as source_sshd, Sshd(folder / "rome", config=target_config) as target_sshd:
        places = []
        for name, sshd in (("oslo", source_sshd), ("rome", target_sshd)):
            host = SshHost(sshd.endpoint(f"i-{name}"), pins=pins, label=name)
            place = Place(sshd=sshd, host=host, machine=RemoteMachine(host))
            place.machine.prepare(work, place.steps.append)
            places.append(place)
        try:
            yield Pair(source=places[0], target=places[1], pins=pins, work=work)
            for place in places:
                place.machine.teardown(JOB)
                assert "ga-transfer" not in place.authorized
        finally:
            for place in places:
                place.host.close()


def private_keys_in(folder: Path) -> list[Path]:
    """Files below `folder` that hold a private key in OpenSSH's form, as text."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
                found.append(path)
    return found
