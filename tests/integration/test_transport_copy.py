"""Copies by rsync, here and over SSH."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import Sshd
from support.waiting import wait_for

from gacli.errors import AuthenticationFailed, CommandFailed, DiskFull, HostKeyChanged, HostUnreachable
from gacli.ports.host import CopyProgress, Host, OnCopy
from gacli.transport.keys import key_pair, make_key
from gacli.transport.local import LocalHost
from gacli.transport.pins import HostKey, Pins
from gacli.transport.process import run, run_checked
from gacli.transport.ssh import SshHost

BIG_BYTES = 40_000_000
ODD_NAMES = (
    "# not a comment",
    "; nor this",
    "it's $(here)",
    "new\nline",
    "naïve 日本語",
    "-rf",
    "[a]*?",
    "deep/er/file",
)


class Cut(Exception):
    """Somebody interrupts the copy."""


@pytest.fixture
def ssh_host(sshd: Sshd, pins: Pins) -> Iterator[SshHost]:
    host = SshHost(sshd.endpoint(), pins=pins, label="test site")
    yield host
    host.close()


@pytest.fixture(params=["ssh", "local"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Host, Path]:
    """A host, and where its home is."""
    if request.param == "local":
        home = tmp_path / "local"
        home.mkdir()
        return LocalHost(home), home
    sshd: Sshd = request.getfixturevalue("sshd")
    return request.getfixturevalue("ssh_host"), sshd.home


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / 'sour\'ce "%h" $x'
    for name in ODD_NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(there: tuple[Host, Path], source: Path, tmp_path: Path) -> None:
    host, home = there
    target = "new/folder: it's $(odd) 日本"
    host.push(source, target)
    assert contents(home / target) == contents(source)
    assert os.access(home / target / "run.sh", os.X_OK)
    host.pull(target, tmp_path / "ba ck" / "deep")
    assert contents(tmp_path / "ba ck" / "deep") == contents(source)


def test_absolute_target(there: tuple[Host, Path], source: Path, tmp_path: Path) -> None:
    there[0].push(source, str(tmp_path / "elsewhere"))
    assert contents(tmp_path / "elsewhere") == contents(source)


def test_only_the_named_files(there: tuple[Host, Path], source: Path, tmp_path: Path) -> None:
    host, home = there
    host.push(source, "t", files=ODD_NAMES)
    assert contents(home / "t").keys() == set(ODD_NAMES)
    host.pull("t", tmp_path / "back", files=[ODD_NAMES[0], "deep/er/file"])
    assert contents(tmp_path / "back").keys() == {ODD_NAMES[0], "deep/er/file"}
    host.push(source, "nothing", files=[])
    assert contents(home / "nothing") == {}


def test_named_file_that_is_missing(there: tuple[Host, Path], source: Path) -> None:
    with pytest.raises(CommandFailed, match="absent") as caught:
        there[0].push(source, "t", files=["run.sh", "absent"])
    assert caught.value.status == 23
    assert there[0].label in caught.value.message


def test_named_files_cannot_leave_the_folder(there: tuple[Host, Path], source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (there[1] / "secret").write_text("x")
    there[0].run(["mkdir", "t"])
    with pytest.raises(CommandFailed):
        there[0].pull("t", tmp_path / "back" / "in", files=["../secret"])
    assert not (tmp_path / "back" / "secret").exists()


def test_mirror_removes_what_the_source_lacks_but_not_what_is_excluded(there: tuple[Host, Path], source: Path) -> None:
    host, home = there
    host.push(source, "t")
    (home / "t" / "stale").touch()
    (home / "t" / "kept.log").touch()
    (source / "mine.log").touch()
    host.push(source, "t", mirror=True, exclude=["*.log", "deep/", "it's $(here)"])
    names = contents(home / "t").keys()
    assert "stale" not in names
    assert {"kept.log", "deep/er/file"} <= names
    assert "mine.log" not in names


def test_without_mirror_nothing_is_removed(there: tuple[Host, Path], source: Path) -> None:
    (there[1] / "t").mkdir()
    (there[1] / "t" / "theirs").touch()
    there[0].push(source, "t")
    assert (there[1] / "t" / "theirs").exists()


def test_progress_ends_at_the_total(there: tuple[Host, Path], tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    (folder / "a").write_bytes(os.urandom(3_000_000))
    (folder / "b").write_bytes(b"1")
    for copy in ("push", "pull"):
        seen: list[CopyProgress] = []
        if copy == "push":
            there[0].push(folder, "t", on_copy=seen.append)
        else:
            there[0].pull("t", tmp_path / "back", on_copy=seen.append)
        assert (seen[-1].bytes_done, seen[-1].bytes_total) == (3_000_001, 3_000_001)
        assert [item.bytes_done for item in seen] == sorted(item.bytes_done for item in seen)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_cut_copy_goes_on_from_the_partial_file(
    ssh_host: SshHost, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    source, target = (here, sshd.home / "t") if direction == "push" else (sshd.home / "t", here)
    source.mkdir(exist_ok=True)
    (source / "big").write_bytes(os.urandom(BIG_BYTES))

    def copy(on_copy: OnCopy | None) -> None:
        if direction == "push":
            ssh_host.push(here, "t", on_copy=on_copy)
        else:
            ssh_host.pull("t", here, on_copy=on_copy)

    def cut(progress: CopyProgress) -> None:
        if progress.bytes_done > BIG_BYTES // 8:
            raise Cut

    # Slow enough to be cut in the middle: four seconds for the whole.
    with wrapped_rsync(monkeypatch, tmp_path, f"--bwlimit={BIG_BYTES // 4}b"), pytest.raises(Cut):
        copy(cut)
    partial = target / ".ga-partial" / "big"
    # On the far side it is put there once the receiver has noticed the end of the connection.
    wait_for(partial.exists, "the partial file")
    kept_bytes = partial.stat().st_size
    assert not (target / "big").exists()
    assert BIG_BYTES // 16 < kept_bytes < BIG_BYTES

    log = tmp_path / "rsync.log"
    with wrapped_rsync(monkeypatch, tmp_path, "--stats", f"--log-file={log}"):
        copy(None)
    assert (target / "big").read_bytes() == (source / "big").read_bytes()
    assert not partial.exists()
    statistics = re.search(r"Literal data: ([\d,]+) bytes", log.read_text())
    assert statistics is not None
    # Whole blocks are used again, so that a little less than what was kept may be.
    assert int(statistics[1].replace(",", "")) < BIG_BYTES - kept_bytes * 0.9


@contextlib.contextmanager
def wrapped_rsync(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> Iterator[None]:
    """rsync on this machine with more options than ours."""
    real = shutil.which("rsync")
    assert real is not None
    wrapper = folder / "wrapped" / "rsync"
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec {real} {shlex.join(options)} "$@"\n')
    wrapper.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
        yield


def test_rsync_missing_on_the_host(tmp_path: Path, pins: Pins, source: Path) -> None:
    programs = ["sh", "mkdir", "cat"]
    with Sshd(tmp_path / "bare", programs=programs) as sshd:
        host = SshHost(sshd.endpoint(), pins=pins, label="bare host")
        with pytest.raises(CommandFailed) as caught:
            host.push(source, "t")
        host.close()
    assert "bare host" in caught.value.message
    assert "rsync is missing on that host" in caught.value.hint


def test_disk_full_on_the_host(ssh_host: SshHost, sshd: Sshd, tmp_path: Path) -> None:
    small = sshd.home / "small"
    small.mkdir()
    if (
        os.getuid() != 0
        or run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=50", "tmpfs", str(small)]).exit_code != 0
    ):
        pytest.skip("a small file system to fill can only be mounted by root")
    try:
        big = tmp_path / "big"
        big.mkdir()
        (big / "big").write_bytes(os.urandom(3_000_000))
        with pytest.raises(DiskFull, match="test site"):
            ssh_host.push(big, "small/t")
        # No room for another folder either.
        ssh_host.run(["sh", "-c", "number=0; while touch small/$number; do number=$((number + 1)); done"])
        with pytest.raises(DiskFull, match="test site"):
            ssh_host.push(big, "small/other")
    finally:
        # The far rsync may still be about to end.
        run_checked(["umount", "--lazy", str(small)])


def test_disk_full_as_rsync_tells_it(tmp_path: Path, pins: Pins, source: Path) -> None:
    with Sshd(tmp_path / "full", programs=["mkdir"]) as full:
        stand_in = full.folder / "bin" / "rsync"
        stand_in.write_text(
            "#!/bin/sh\necho 'rsync: [receiver] write failed on \"t/x\": No space left on device (28)' >&2\n"
            "echo 'rsync error: error in file IO (code 11) at receiver.c(381) [receiver=3.2.7]' >&2\nexit 11\n"
        )
        stand_in.chmod(0o755)
        host = SshHost(full.endpoint(), pins=pins, label="full host")
        with pytest.raises(DiskFull, match="full host"):
            host.push(source, "t")
        host.close()


def test_changed_key_is_noticed_by_rsync_itself(
    ssh_host: SshHost, sshd: Sshd, pins: Pins, source: Path, tmp_path: Path
) -> None:
    """Also while paramiko's own connection still stands: rsync makes a new one, and proves the key again."""
    ssh_host.run(["mkdir", "t"])
    make_key(tmp_path / "other", comment="")
    other = HostKey.parse((tmp_path / "other.pub").read_text())
    pins.file("i-test").write_text(f"i-test {other.key_type} {other.blob}\n")
    with pytest.raises(HostKeyChanged) as caught:
        ssh_host.push(source, "t")
    assert other.fingerprint in caught.value.message
    assert HostKey.parse(sshd.host_key).fingerprint in caught.value.message
    assert contents(sshd.home / "t") == {}


def test_wrong_key_and_nobody_there(sshd: Sshd, pins: Pins, tmp_path: Path, source: Path) -> None:
    wrong = key_pair(tmp_path / "state").key_file
    with pytest.raises(AuthenticationFailed):
        SshHost(sshd.endpoint(key_file=wrong), pins=pins, label="x").push(source, "t")
    sshd.stop()
    with pytest.raises(HostUnreachable):
        SshHost(sshd.endpoint(), pins=pins, label="x").push(source, "t")


def test_host_dies_in_the_middle(ssh_host: SshHost, sshd: Sshd, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    with (folder / "big").open("wb") as stream:
        stream.truncate(10 * BIG_BYTES)

    def die(_: CopyProgress) -> None:
        sshd.stop()

    with pytest.raises(HostUnreachable, match="test site"):
        ssh_host.push(folder, "t", on_copy=die)
