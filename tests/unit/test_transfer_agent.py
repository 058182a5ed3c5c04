"""The agent's part in a transfer, as far as it is files and arithmetic."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_playbooks.agent.authorized import change_keys, key_line
from ga_playbooks.agent.peer import write_peer
from ga_playbooks.agent.receiving import tidy
from ga_playbooks.agent.streams import MOST_STREAMS, WORTH_STREAMS_BYTES, share_out
from ga_playbooks.agent.transfers import Transfer, end_transfers, revoke

SIZES = st.lists(st.integers(0, 1 << 30), min_size=1, max_size=40)
OTHERS = b'# mine\n\nssh-rsa AAAA me@laptop\ncommand="x \\"y\\"" ssh-ed25519 BBBB ga-transfer-like\r\n'
PEER: dict[str, Any] = {"hostname": "10.0.0.7", "port": 22, "user": "ubuntu", "host_keys": ["ssh-ed25519 AAAA"]}


def files_of(sizes: list[int]) -> list[dict[str, Any]]:
    return [{"path": f"shard-{number}", "size": size, "sha256": ""} for number, size in enumerate(sizes)]


@given(SIZES)
def test_streams_share_every_file_once_and_none_has_much_more_than_another(sizes: list[int]) -> None:
    files = files_of(sizes)
    lists = share_out(files)
    assert sorted(path for paths in lists for path in paths) == sorted(file["path"] for file in files)
    size_of = {file["path"]: file["size"] for file in files}
    loads = [sum(size_of[path] for path in paths) for paths in lists]
    assert max(loads) - min(loads) <= max(sizes)


@pytest.mark.parametrize(
    ("sizes", "streams"),
    [
        ([], 0),
        ([0], 1),
        ([1 << 40], 1),
        ([WORTH_STREAMS_BYTES // 2 - 1] * 2, 1),
        ([WORTH_STREAMS_BYTES // 2] * 2, 2),
        ([WORTH_STREAMS_BYTES] * 3, 3),
        ([WORTH_STREAMS_BYTES] * 50, MOST_STREAMS),
    ],
)
def test_several_streams_only_where_they_are_worth_it(sizes: list[int], streams: int) -> None:
    assert len(share_out(files_of(sizes))) == streams


# ----- authorized_keys -------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write_keys(home: Path, content: bytes, mode: int = 0o640) -> Path:
    (home / ".ssh").mkdir(exist_ok=True)
    path = home / ".ssh" / "authorized_keys"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("before", [OTHERS, b"", OTHERS.rstrip()])
def test_a_line_comes_and_goes_and_the_others_stay(home: Path, before: bytes) -> None:
    path = write_keys(home, before)
    job = home / "jobs" / "job-1"
    change_keys(lambda _: False, add=key_line("ssh-ed25519 CCCC", Transfer(str(job), "p1").mark, 'a "b" \\c'))
    added = path.read_bytes()
    assert added.startswith(before)
    line = added[len(before) :].lstrip(b"\n").decode()
    assert line.startswith('restrict,expiry-time="20')
    assert line.endswith('",command="a \\"b\\" \\\\c" ssh-ed25519 CCCC ga-transfer:job-1:p1\n')
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    revoke(str(job), "p2")
    assert path.read_bytes() == added
    revoke(str(job), "p1")
    assert path.read_bytes().rstrip(b"\n") == before.rstrip(b"\n")
    assert [entry.name for entry in (home / ".ssh").iterdir()] == ["authorized_keys"]


def test_the_first_key_ever_makes_the_file_for_its_owner_alone(home: Path) -> None:
    change_keys(lambda _: True)
    assert not (home / ".ssh").exists()
    change_keys(lambda _: False, add="ssh-ed25519 CCCC ga-transfer:job-1:p1")
    assert stat.S_IMODE((home / ".ssh").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / ".ssh" / "authorized_keys").stat().st_mode) == 0o600


def test_a_link_in_the_files_place_stays_one(home: Path) -> None:
    kept = home / "dotfiles"
    kept.write_bytes(OTHERS)
    (home / ".ssh").mkdir()
    (home / ".ssh" / "authorized_keys").symlink_to(kept)
    change_keys(lambda _: False, add="ssh-ed25519 CCCC ga-transfer:job-1:p1")
    assert (home / ".ssh" / "authorized_keys").is_symlink()
    assert kept.read_bytes() == OTHERS + b"ssh-ed25519 CCCC ga-transfer:job-1:p1\n"


def test_ending_transfers_forgets_those_of_this_job_alone(home: Path) -> None:
    lines = [f"ssh-ed25519 K{n} ga-transfer:{mark}" for n, mark in enumerate(("job-1:p1", "job-1:p2", "job-11:p1"))]
    path = write_keys(home, ("\n".join(lines) + "\n").encode())
    job = home / "jobs" / "job-1"
    for name in ("p1", "p2"):
        (job / "transfer" / name).mkdir(parents=True)
        (job / "transfer" / name / "key").write_text("secret")
    end_transfers(str(job), keep="p2")
    assert path.read_text().splitlines() == lines[1:]
    assert [entry.name for entry in (job / "transfer").iterdir()] == ["p2"]
    end_transfers(str(job))
    assert path.read_text().splitlines() == lines[2:]
    assert list((job / "transfer").iterdir()) == []
    end_transfers(str(job))


def test_a_line_that_cannot_be_removed_leaves_the_transfer_without_its_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_keys(home, b"ssh-ed25519 K ga-transfer:job-1:p1\n")
    job = home / "jobs" / "job-1"
    (job / "transfer" / "p1").mkdir(parents=True)

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        revoke(str(job), "p1")
    assert not (job / "transfer" / "p1").exists()
    assert [entry.name for entry in (home / ".ssh").iterdir()] == ["authorized_keys"]


@pytest.mark.parametrize("transfer_id", ["", "..", "a/b", "a b", "p1\n", "x" * 65])
def test_ids_that_could_leave_the_folder_are_refused(transfer_id: str) -> None:
    with pytest.raises(ValueError, match="transfer id"):
        Transfer("/jobs/job-1", transfer_id)


# ----- what reaches ssh, what is left of a copy ------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"hostname": "host\nProxyCommand sh"},
        {"hostname": "a b"},
        {"hostname": ""},
        {"user": "me\nLocalCommand sh"},
        {"user": 'm"e'},
        {"host_keys": []},
        {"host_keys": ["ssh-ed25519 AAAA\n* ssh-ed25519 BBBB"]},
    ],
)
def test_a_peer_that_could_say_more_than_where_it_is_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    transfer = Transfer(str(tmp_path), "p1")
    transfer.make_folder()
    with pytest.raises(ValueError, match="expected a host"):
        write_peer(transfer, {**PEER, **changes})
    assert list((tmp_path / "transfer" / "p1").iterdir()) == []


def test_a_peer_is_known_by_its_pins_alone(tmp_path: Path) -> None:
    transfer = Transfer(str(tmp_path), "p1")
    transfer.make_folder()
    write_peer(transfer, {**PEER, "hostname": "fe80::1%eth0", "host_keys": ["ssh-ed25519 AAAA", "ssh-rsa BBBB"]})
    known = (tmp_path / "transfer" / "p1" / "known_hosts").read_text()
    assert known == "ga-target ssh-ed25519 AAAA\nga-target ssh-rsa BBBB\n"
    config = (tmp_path / "transfer" / "p1" / "ssh_config").read_text()
    assert "HostName fe80::1%%eth0\n" in config
    assert "StrictHostKeyChecking yes\n" in config


def test_tidying_leaves_files_of_the_checkpoint_and_asked_for_pieces(tmp_path: Path) -> None:
    names = ["model.bin", "sub/b.bin", ".ga-partial/model.bin", "sub/.ga-partial/b.bin"]
    strangers = ["evil.pkl", "sub/evil.pkl", ".ga-partial/evil.pkl", ".model.bin.x1Y2z3"]
    for name in [*names, *strangers]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "linked.bin").symlink_to("model.bin")
    (tmp_path / "elsewhere").symlink_to("/etc")
    manifest = {"files": [{"path": path} for path in ("model.bin", "sub/b.bin", "linked.bin")]}

    def left() -> set[str]:
        return {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()}

    tidy(str(tmp_path), manifest, parts=True, links=True)
    assert left() == {*names, "linked.bin"}
    tidy(str(tmp_path), manifest)
    assert left() == {"model.bin", "sub/b.bin"}
