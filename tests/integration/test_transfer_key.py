"""What a stolen transfer key is worth: nothing but writing pieces of that one checkpoint, for as long as it takes.

Every test holds the private key that the source made, with a real ssh or rsync and a server that forwards ports and has
a file transfer subsystem for whoever may use them.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.transfer_thief import HONEST, Thief, snapshot
from support.transfers import FILES, pair_in

pytestmark = pytest.mark.prove

SECRET = "the user's secret"


@pytest.fixture(scope="module")
def thief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thief]:
    """For all that must come to nothing, one after the other."""
    with thief_in(tmp_path_factory.mktemp("thief")) as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Thief]:
    """For what may leave its traces in the incoming folder."""
    with thief_in(tmp_path) as found:
        yield found


@contextmanager
def thief_in(tmp_path: Path) -> Iterator[Thief]:
    config = "Subsystem sftp internal-sftp\nPermitTunnel yes\nGatewayPorts yes\n"
    with pair_in(tmp_path, target_config=config) as pair:
        (pair.target.sshd.home / "secret").write_text(SECRET)
        (tmp_path / "outside").mkdir()
        folder = tmp_path / "thief"
        (folder / "loot").mkdir(parents=True)
        (folder / "evil").mkdir()
        (folder / "evil" / "evil.txt").write_text("evil")
        checkpoint = pair.source.save(5)
        _, address = pair.begin(checkpoint)
        (folder / "key").write_bytes((pair.source.transfer / "key").read_bytes())
        (folder / "key").chmod(0o600)
        found = Thief(pair=pair, folder=folder, checkpoint=checkpoint, address=address)
        before = snapshot(tmp_path, without=(found.incoming, folder, pair.source.sshd.folder))
        (folder / "before").write_text("".join(f"{path}\t{content}\n" for path, content in before.items()))
        yield found
        # Nothing that was tried keeps the honest copy from arriving, nor anything of the thief's in it.
        pair.push(checkpoint, address)
        assert pair.settle(checkpoint) == ()
        assert pair.target.content(checkpoint) == FILES
        assert thief_is_out(found)


def thief_is_out(thief: Thief) -> bool:
    return "Permission denied" in thief.ssh("127.0.0.1", "rsync --server --daemon .").stderr


# ----- a shell -----------------------------------------------------------------------------------------------------

COMMANDS = [
    "",
    "id",
    "cat secret",
    "sh -c 'cat secret'",
    "rsync --server --daemon . ; cat secret",
    "rsync --server --daemon .\ncat secret",
    " rsync --server --daemon .",
    "rsync --server --daemon --config=/dev/stdin .",
    "rsync --server --daemon --dparam=motdfile=/etc/passwd .",
    "rsync --server --daemon . /",
    "rsync --server --sender -vlogDtpre.iLsfxCIvu . secret",
    "rsync --server -vlogDtpre.iLsfxCIvu . /tmp",
    "rsync --server -s",
    "$(cat secret)",
    "`cat secret`",
    "scp -f secret",
    "scp -t .",
    "/usr/lib/openssh/sftp-server",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs_no_command(thief: Thief, command: str) -> None:
    done = thief.ssh("127.0.0.1", *([command] if command else []))
    assert done.returncode != 0
    assert done.stdout == ""
    assert "this key brings one checkpoint" in done.stderr
    assert SECRET not in done.stderr
    assert thief.changed() == {}


@pytest.mark.parametrize("options", [["-tt"], ["-s"], ["-oSetEnv=SSH_ORIGINAL_COMMAND=x"], ["-A"], ["-X"]])
def test_no_option_of_ssh_gets_it_further(thief: Thief, options: list[str]) -> None:
    done = thief.ssh(*options, "127.0.0.1", "sftp" if options == ["-s"] else "cat secret")
    assert done.returncode != 0
    assert SECRET not in done.stdout + done.stderr
    assert thief.changed() == {}


@pytest.mark.parametrize("copy", [["sftp"], ["scp", "-O"], ["scp", "-s"]])
def test_it_fetches_nothing_by_scp_or_sftp(thief: Thief, copy: list[str]) -> None:
    done = thief.run(*copy, *thief.options, "127.0.0.1:secret", "loot/")
    assert done.returncode != 0
    assert thief.stolen() == []


# ----- ports -------------------------------------------------------------------------------------------------------


@pytest.fixture
def service() -> Iterator[int]:
    """A port on the target's loopback interface that tells whoever comes a secret."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(SECRET.encode())

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_it_forwards_no_port(thief: Thief, service: int) -> None:
    """The server would: with the controller's key the same way is open."""
    through = ["-W", f"127.0.0.1:{service}", "127.0.0.1"]
    own = [f"-oIdentityFile={thief.pair.target.sshd.key_file}", *through]
    others = [option for option in thief.options if "IdentityFile" not in option]
    assert thief.run("ssh", *others, *own).stdout == SECRET
    done = thief.ssh(*through)
    assert done.returncode != 0
    assert SECRET not in done.stdout
    assert "forwarding failed" in done.stderr


@pytest.mark.parametrize("option", ["-R0:127.0.0.1:1", "-w0:0"])
def test_it_opens_no_way_back(thief: Thief, option: str) -> None:
    # -N asks for no command: a server that let it forward would hold the connection until the time is over.
    done = thief.ssh("-N", "-oExitOnForwardFailure=yes", option, "127.0.0.1")
    assert done.returncode == 255
    assert thief.changed() == {}


# ----- rsync -------------------------------------------------------------------------------------------------------

READS = [
    "127.0.0.1:secret",
    "127.0.0.1::",
    "127.0.0.1::incoming",
    "127.0.0.1::incoming/",
    "127.0.0.1::incoming/model.bin",
    "127.0.0.1::incoming/../../../../../secret",
    "127.0.0.1::../secret",
    "127.0.0.1::secret",
    "127.0.0.1::global/secret",
]


@pytest.mark.parametrize("what", READS)
def test_it_reads_nothing(thief: Thief, what: str) -> None:
    (thief.incoming / "model.bin").write_bytes(b"arrived before")
    done = thief.rsync("-r", what, "loot/")
    assert done.returncode != 0 or "incoming" not in done.stdout
    assert thief.stolen() == []
    assert "arrived before" not in done.stdout


# Options, and where to.
WRITES = [
    ([], "127.0.0.1:outside.txt"),
    ([], "127.0.0.1:/tmp/"),
    (["--rsync-path=cat secret; rsync"], "127.0.0.1:."),
    (["--rsync-path=sh -c 'touch hacked' #"], "127.0.0.1::incoming/"),
    (["--rsync-path=rsync --config=/dev/null"], "127.0.0.1::incoming/"),
    ([], "127.0.0.1::../"),
    ([], "127.0.0.1::/"),
    (["--links", "-r"], "127.0.0.1::incoming/"),
    (["-D", "-r"], "127.0.0.1::incoming/"),
    (["--perms"], "127.0.0.1::incoming/"),
    (["--perms", "--chmod=u+s"], "127.0.0.1::incoming/"),
    (["-r", "--delete"], "127.0.0.1::incoming/"),
    (["--temp-dir=/outside"], "127.0.0.1::incoming/"),
    (["--backup", "--backup-dir=/outside"], "127.0.0.1::incoming/"),
    (["--compare-dest=/"], "127.0.0.1::incoming/"),
    (["--copy-dest=/"], "127.0.0.1::incoming/"),
    (["--link-dest=/"], "127.0.0.1::incoming/"),
    (["--inplace"], "127.0.0.1::incoming/"),
    (["--write-devices"], "127.0.0.1::incoming/"),
    (["--keep-dirlinks"], "127.0.0.1::incoming/"),
    (["--super"], "127.0.0.1::incoming/"),
    (["-M--fake-super"], "127.0.0.1::incoming/"),
    (["-M--log-file=/tmp/hacked"], "127.0.0.1::incoming/"),
    (["-M--config=/dev/null"], "127.0.0.1::incoming/"),
    (["-M--daemon"], "127.0.0.1::incoming/"),
]


@pytest.mark.parametrize(("options", "where"), WRITES, ids=lambda value: "".join(value))
def test_it_writes_by_no_other_way(thief: Thief, options: list[str], where: str) -> None:
    done = thief.rsync(*options, "evil/evil.txt", where)
    assert done.returncode != 0, done
    assert thief.changed() == {}
    assert not (thief.incoming / "evil.txt").exists()
    assert SECRET not in done.stdout + done.stderr


ELSEWHERE = ["../../../../evil.txt", "../", "sub/../../../evil.txt", "/../../evil.txt", "..%2f", "/etc/", "//tmp/"]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_it_writes_into_no_other_folder(thief: Thief, where: str) -> None:
    thief.rsync("evil/evil.txt", f"127.0.0.1::incoming/{where}")
    assert thief.changed() == {}
    for path in thief.incoming.rglob("evil*"):
        assert path.resolve().is_relative_to(thief.incoming.resolve())


@pytest.mark.parametrize("name", ["../../../../e", "/{outside}/evil", "a/../../../../e", "../outside/evil/x"])
@pytest.mark.parametrize("options", [["--times"], HONEST], ids=["plain", "relative"])
def test_names_that_only_a_forged_rsync_sends_lead_nowhere(thief: Thief, name: str, options: list[str]) -> None:
    """The sender's file list is changed on its way, after all that a real rsync would refuse to send."""
    forged = name.format(outside=str(thief.folder.parent / "outside").lstrip("/"))
    plain = "n" * len(forged)
    (thief.folder / "evil" / plain).write_text("evil")
    proxy = thief.folder / "proxy.py"
    proxy.write_text(PROXY.format(plain=plain, forged=forged, ssh=["ssh", *thief.options]))
    done = thief.rsync(*options, f"evil/./{plain}", "127.0.0.1::incoming/", through=f"{sys.executable} {proxy}")
    assert (thief.folder / "forged").exists(), done
    assert done.returncode != 0
    assert thief.changed() == {}


PROXY = """
import os, subprocess, sys, threading

ssh = subprocess.Popen([*{ssh!r}, *sys.argv[1:]], stdin=subprocess.PIPE)

def feed():
    while chunk := os.read(0, 65536):
        if {plain!r}.encode() in chunk:
            open("forged", "w").close()
        try:
            ssh.stdin.write(chunk.replace({plain!r}.encode(), {forged!r}.encode()))
            ssh.stdin.flush()
        except OSError:
            return
    ssh.stdin.close()

threading.Thread(target=feed, daemon=True).start()
os._exit(ssh.wait())
"""


def test_links_that_lie_in_the_folder_lead_nowhere(fresh: Thief) -> None:
    outside = fresh.folder.parent / "outside"
    (outside / "model.bin").write_text("kept")
    (fresh.folder / "before").write_text((fresh.folder / "before").read_text() + f"{outside}/model.bin\tb'kept'\n")
    (fresh.incoming / "model.bin").symlink_to(outside / "model.bin")
    (fresh.incoming / "shards").symlink_to(outside)
    (fresh.folder / "evil" / "shards").mkdir()
    for name in ("model.bin", "shards/evil.txt"):
        (fresh.folder / "evil" / name).write_text("evil")
        fresh.rsync(*HONEST, f"evil/./{name}", "127.0.0.1::incoming/")
    assert fresh.changed() == {}
    # Whoever begins the transfer again finds no link in the way.
    (fresh.incoming / "again").symlink_to(outside)
    fresh.pair.begin(fresh.checkpoint)
    assert not any(path.is_symlink() for path in fresh.incoming.rglob("*"))


def test_what_it_does_write_never_becomes_part_of_the_checkpoint(fresh: Thief) -> None:
    """Write it can, into that folder: so what is no file of the manifest goes, and what is one must match."""
    (fresh.folder / "evil" / "model.bin").write_bytes(b"WEIGHTS" * 1000)
    for name in ("evil.txt", "model.bin"):
        done = fresh.rsync(*HONEST, f"evil/./{name}", "127.0.0.1::incoming/")
        assert done.returncode == 0, done
    bad = fresh.pair.settle(fresh.checkpoint)
    assert "model.bin" in bad
    assert not (fresh.incoming / "evil.txt").exists()
    assert fresh.changed() == {}


def test_who_is_still_writing_when_it_is_verified_is_thrown_out(fresh: Thief) -> None:
    """A connection that is held open must not change files after they were found good."""
    fresh.pair.push(fresh.checkpoint, fresh.address)
    shell = shlex.join(["ssh", *fresh.options])
    (fresh.folder / "evil" / "model.bin").write_bytes(os.urandom(4 << 20))
    slow = subprocess.Popen(
        ["rsync", "--bwlimit=100k", *HONEST, "--rsh", shell, "evil/./model.bin", "127.0.0.1::incoming/"],
        cwd=fresh.folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not fresh.pair.target.programs("rsync"):
            assert slow.poll() is None
        assert fresh.pair.settle(fresh.checkpoint) == ()
        assert slow.wait(timeout=30) != 0
        assert fresh.pair.target.content(fresh.checkpoint) == FILES
    finally:
        slow.kill()
        slow.wait()
    # Taken away, so that the fixture's own copy finds something to do.
    (fresh.pair.target.checkpoints / fresh.checkpoint.name / "manifest.json").unlink()
    fresh.pair.begin(fresh.checkpoint)
