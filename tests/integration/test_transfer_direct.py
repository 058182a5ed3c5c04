"""Checkpoints straight from machine to machine: two real sshds, real keys, real rsync."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.transfers import FILES, JOB, TRANSFER, Pair, pair_in, private_keys_in
from support.waiting import wait_for

from ga_playbooks.remote_machine import RemoteMachine
from gacli.core.job import Checkpoint
from gacli.core.site import PowerModel
from gacli.errors import CheckpointInvalid, HostUnreachable, PeerKeyChanged, TransferUnreachable
from gacli.ports.host import PeerAddress
from gacli.ports.machine import StartSpec, WorkSpec
from gacli.transport.local import LocalHost

pytestmark = pytest.mark.prove


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with pair_in(tmp_path) as found:
        yield found


SLOW = """#!/bin/sh
case "$*" in *--server*) exec {rsync} "$@" ;; esac
exec {rsync} --bwlimit=4m "$@"
"""


@pytest.fixture
def slow_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Copies take a second for every 4 MiB."""
    programs = tmp_path / "slow"
    programs.mkdir()
    (programs / "rsync").write_text(SLOW.format(rsync=shutil.which("rsync")))
    (programs / "rsync").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        with pair_in(tmp_path) as found:
            yield found


def incoming(pair: Pair, checkpoint: Checkpoint) -> Path:
    return pair.target.checkpoints / f".incoming-{checkpoint.name}"


def flip(path: Path) -> None:
    """One bit, leaving size and times as they are."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_copy_arrives_whole_and_leaves_no_key(pair: Pair, tmp_path: Path) -> None:
    older = pair.target.save(3)
    newer = pair.target.save(900)
    checkpoint = pair.source.save(5)
    assert private_keys_in(pair.source.job) == []
    _, address = pair.begin(checkpoint)
    assert [path.stat().st_mode & 0o777 for path in private_keys_in(pair.source.job)] == [0o600]
    # sshd's own keys lie beside the homes; the controller's folders are everything else.
    assert private_keys_in(pair.target.sshd.home) == private_keys_in(pair.pins.folder) == []
    assert pair.target.authorized.count("ga-transfer") == 1
    pair.push(checkpoint, address)
    assert pair.settle(checkpoint) == ()
    assert "ga-transfer" not in pair.target.authorized
    pair.revoke()
    pair.assert_clean()
    assert pair.target.content(checkpoint) == FILES
    # The newer one was of a generation that was given up.
    assert pair.target.machine.checkpoints(JOB) == [checkpoint, older]
    assert newer.step == 900
    last = pair.source.steps[-1]
    assert (last.what, last.done, last.total, last.unit) == ("copying checkpoint", 12000, 12000, "bytes")
    assert private_keys_in(tmp_path / "mine") == []


def test_large_checkpoint_goes_in_several_streams(pair: Pair) -> None:
    block = os.urandom(1 << 20)
    files = {f"shard-{number}.bin": block * (10 + number) + bytes([number]) for number in range(6)}
    checkpoint = pair.source.save(5, files)
    _, address = pair.begin(checkpoint)
    pair.push(checkpoint, address)
    lists = [path.read_bytes() for path in sorted(pair.source.transfer.glob("list-?"))]
    assert len(lists) == 4
    assert sorted(b"".join(lists).split(b"\0")[:-1]) == sorted(f"./{name}".encode() for name in files)
    assert (pair.target.transfer / "rsync.log").read_text().count("rsync to incoming/") == 4
    assert pair.settle(checkpoint) == ()
    assert pair.target.content(checkpoint) == files


def test_checkpoint_that_is_there_already_lets_nobody_in(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    pair.target.save(5)
    offer = pair.source.machine.offer(JOB, TRANSFER, checkpoint)
    assert pair.target.machine.admit(JOB, TRANSFER, checkpoint, offer) is None
    assert "ga-transfer" not in pair.target.authorized


def test_each_step_may_be_repeated(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    first, _ = pair.begin(checkpoint)
    second, address = pair.begin(checkpoint)
    assert first == second
    assert pair.target.authorized.count("ga-transfer") == 1
    pair.push(checkpoint, address)
    pair.push(checkpoint, address)
    assert pair.settle(checkpoint) == ()
    with pytest.raises(TransferUnreachable):
        pair.settle(checkpoint)
    pair.revoke()
    pair.revoke()
    pair.assert_clean()


def test_rsync_killed_in_the_middle_goes_on_from_there(slow_pair: Pair) -> None:
    pair, size = slow_pair, 8 << 20
    checkpoint = pair.source.save(5, {"model.bin": os.urandom(size)})
    _, address = pair.begin(checkpoint)
    with ThreadPoolExecutor(1) as pool:
        copied = pool.submit(pair.push, checkpoint, address)
        wait_for(lambda: _arrived_bytes(incoming(pair, checkpoint)) > size // 4, "a quarter to arrive")
        for process in pair.source.programs("rsync"):
            process.kill()
        copied.result(timeout=60)
    _assert_resumed(pair, size)
    assert pair.settle(checkpoint) == ()
    assert pair.target.machine.checkpoints(JOB) == [checkpoint]


def test_letting_in_again_does_not_disturb_a_copy_that_goes_on(slow_pair: Pair) -> None:
    """As a controller does that begins anew after a crash."""
    pair = slow_pair
    checkpoint = pair.source.save(5, {"model.bin": os.urandom(6 << 20)})
    _, address = pair.begin(checkpoint)
    with ThreadPoolExecutor(1) as pool:
        copied = pool.submit(pair.push, checkpoint, address)
        wait_for(lambda: _arrived_bytes(incoming(pair, checkpoint)), "the copy to begin")
        pair.begin(checkpoint)
        copied.result(timeout=60)
    assert (pair.target.transfer / "rsync.log").read_text().count("rsync to incoming/") == 1
    assert pair.settle(checkpoint) == ()


def test_connection_cut_at_the_target_goes_on_from_there(slow_pair: Pair) -> None:
    pair, size = slow_pair, 8 << 20
    checkpoint = pair.source.save(5, {"model.bin": os.urandom(size)})
    _, address = pair.begin(checkpoint)
    with ThreadPoolExecutor(1) as pool:
        copied = pool.submit(pair.push, checkpoint, address)
        wait_for(lambda: _arrived_bytes(incoming(pair, checkpoint)) > size // 4, "a quarter to arrive")
        for process in pair.target.programs("rsync"):
            process.terminate()
        copied.result(timeout=60)
    _assert_resumed(pair, size)
    assert pair.settle(checkpoint) == ()


def test_copy_goes_on_without_whoever_asked_for_it(slow_pair: Pair) -> None:
    """The connection that asked is gone; who asks again joins in. Then what copies is killed, and started again."""
    pair, size = slow_pair, 8 << 20
    checkpoint = pair.source.save(5, {"model.bin": os.urandom(size)})
    _, address = pair.begin(checkpoint)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(pair.push, checkpoint, address)
        wait_for(lambda: pair.source.programs("rsync"), "the copy to begin")
        pusher = pair.source.programs("rsync")[0].parent()
        assert pusher is not None
        pair.source.sshd.stop()
        with pytest.raises(HostUnreachable):
            first.result(timeout=30)
        assert pusher.is_running()
        pair.source.sshd.start()
        wait_for(lambda: _arrived_bytes(incoming(pair, checkpoint)) > size // 4, "a quarter to arrive")
        second = pool.submit(pair.push, checkpoint, address)
        pusher.send_signal(signal.SIGKILL)
        for process in pair.source.programs("rsync"):
            process.kill()
        second.result(timeout=60)
    _assert_resumed(pair, size)
    assert pair.settle(checkpoint) == ()


def _arrived_bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def _assert_resumed(pair: Pair, size: int) -> None:
    """The last connection brought only what was missing (random content leaves nothing to compress)."""
    log = (pair.target.transfer / "rsync.log").read_text()
    assert log.count("rsync to incoming/") == 2, log
    received = [int(number) for number in re.findall(r"received (\d+) bytes", log)]
    assert received[-1] < 0.8 * size, log


def test_damaged_copy_is_brought_again(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    _, address = pair.begin(checkpoint)
    pair.push(checkpoint, address)
    flip(incoming(pair, checkpoint) / "model.bin")
    (incoming(pair, checkpoint) / "empty").unlink()
    bad = pair.settle(checkpoint)
    assert sorted(bad) == ["empty", "model.bin"]
    pair.push(checkpoint, address, again=bad)
    assert pair.settle(checkpoint) == ()
    assert pair.target.content(checkpoint) == FILES


def test_damaged_source_is_found_out(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    flip(pair.source.checkpoints / checkpoint.name / "model.bin")
    _, address = pair.begin(checkpoint)
    pair.push(checkpoint, address)
    bad = pair.settle(checkpoint)
    assert bad == ("model.bin",)
    with pytest.raises(CheckpointInvalid, match=r"model\.bin"):
        pair.push(checkpoint, address, again=bad)
    assert pair.target.machine.checkpoints(JOB) == []


def test_file_that_vanished_from_the_source_is_found_out(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    _, address = pair.begin(checkpoint)
    (pair.source.checkpoints / checkpoint.name / "model.bin").unlink()
    with pytest.raises(CheckpointInvalid, match=r"model\.bin"):
        pair.push(checkpoint, address)


def test_checkpoint_that_was_replaced_is_not_offered(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    with pytest.raises(CheckpointInvalid, match="expected checkpoint"):
        pair.source.machine.offer(JOB, TRANSFER, replace(checkpoint, sha256="0" * 64))


def test_links_to_files_arrive_as_what_they_lead_to(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    folder = pair.source.checkpoints / checkpoint.name
    (folder / "model.bin").rename(folder / "kept")
    (folder / "model.bin").symlink_to("kept")
    _, address = pair.begin(checkpoint)
    pair.push(checkpoint, address)
    assert pair.settle(checkpoint) == ()
    assert pair.target.content(checkpoint) == FILES


# ----- who is reached, and who is not ----------------------------------------------------------------------------


def test_target_with_another_host_key_gets_nothing(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    _, address = pair.begin(checkpoint)
    pair.target.sshd.swap_host_key()
    with pytest.raises(PeerKeyChanged, match="not the pinned one"):
        pair.push(checkpoint, address)
    assert _arrived_bytes(incoming(pair, checkpoint)) == 0
    assert not (pair.target.transfer / "rsync.log").exists()
    # The pin is for the host that we know; our own connection would refuse this one as well.
    pair.target.sshd.restore_host_key()


@pytest.mark.parametrize("fault", ["nobody listens", "key expired", "line gone", "no such name", "rsync refuses"])
def test_target_that_cannot_be_reached_is_said_so(pair: Pair, fault: str) -> None:
    checkpoint = pair.source.save(5)
    _, address = pair.begin(checkpoint)
    keys = pair.target.sshd.home / ".ssh" / "authorized_keys"
    match fault:
        case "nobody listens":
            address = replace(address, port=_closed_port())
        case "key expired":
            keys.write_text(re.sub(r'expiry-time="\d+"', 'expiry-time="20200101000000"', keys.read_text()))
        case "line gone":
            keys.write_text("")
        case "no such name":
            address = replace(address, hostname="nowhere.invalid")
        case _:
            # As an rsync does that is too old to read exceptions from a list of refusals.
            server = pair.target.transfer / "rsyncd.conf"
            server.write_text(re.sub(r"refuse options = .*", "refuse options = *", server.read_text()))
    with pytest.raises(TransferUnreachable, match="did not come through") as raised:
        pair.push(checkpoint, address)
    assert "\n" not in raised.value.message
    assert pair.source.programs("rsync") == []


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_machine_that_only_we_reach_lets_nobody_in(pair: Pair, tmp_path: Path) -> None:
    checkpoint = pair.source.save(5)
    offer = pair.source.machine.offer(JOB, TRANSFER, checkpoint)
    home = tmp_path / "here"
    home.mkdir()
    here = RemoteMachine(LocalHost(home))
    here.prepare(WorkSpec(job_id=JOB, work_folder=tmp_path / "mine"), lambda _: None)
    with pytest.raises(TransferUnreachable, match="no other machine can reach it"):
        here.admit(JOB, TRANSFER, checkpoint, offer)
    assert not (home / ".ssh").exists()


def test_source_without_ssh_keygen_says_that_it_cannot(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    (pair.source.job / "transfer").write_text("in the way")
    with pytest.raises(TransferUnreachable, match="could not be begun"):
        pair.source.machine.offer(JOB, TRANSFER, checkpoint)
    (pair.source.job / "transfer").unlink()


# ----- the end of a transfer that its controller forgot ----------------------------------------------------------


@pytest.mark.parametrize("side", ["source", "target"])
def test_starting_a_trainer_ends_what_was_left_of_a_transfer(slow_pair: Pair, side: str) -> None:
    pair = slow_pair
    pair.source.save(3)
    checkpoint = pair.source.save(5, {"model.bin": os.urandom(8 << 20)})
    _, address = pair.begin(checkpoint)
    with ThreadPoolExecutor(1) as pool:
        copied = pool.submit(pair.push, checkpoint, address)
        wait_for(lambda: _arrived_bytes(incoming(pair, checkpoint)), "the copy to begin")
        place = pair.source if side == "source" else pair.target
        start(place.machine, pair.work)
        assert "ga-transfer" not in place.authorized
        assert not place.transfer.exists()
        assert place.programs("rsync") == []
        with pytest.raises(TransferUnreachable):
            copied.result(timeout=60)


def test_another_transfer_ends_those_before_it(pair: Pair) -> None:
    checkpoint = pair.source.save(5)
    pair.begin(checkpoint)
    offer = pair.source.machine.offer(JOB, "p8", checkpoint)
    address = pair.target.machine.admit(JOB, "p8", checkpoint, offer)
    assert isinstance(address, PeerAddress)
    for place in (pair.source, pair.target):
        assert [entry.name for entry in (place.job / "transfer").iterdir()] == ["p8"]
    assert pair.target.authorized.count("ga-transfer") == 1
    with pytest.raises(TransferUnreachable):
        pair.push(checkpoint, address)


def start(machine: RemoteMachine, work: WorkSpec) -> None:
    machine.start(
        work,
        StartSpec(
            generation=1,
            site="here",
            command="sleep 30",
            signal="SIGTERM",
            grace_s=1,
            sample_s=1,
            power=PowerModel(idle_w=1, busy_w=2),
            epoch_s=0.0,
        ),
    )
