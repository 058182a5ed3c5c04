"""Commands over SSH, against a real sshd on the loopback interface."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.sshd import Sshd

from gacli.errors import AuthenticationFailed, HostKeyChanged, HostUnreachable
from gacli.ports.host import Host
from gacli.transport.keys import key_pair, make_key
from gacli.transport.local import LocalHost
from gacli.transport.pins import Pins
from gacli.transport.process import run_checked
from gacli.transport.ssh import SshHost


@pytest.fixture
def ssh_host(sshd: Sshd, pins: Pins) -> Iterator[SshHost]:
    host = SshHost(sshd.endpoint(), pins=pins, label="test site")
    yield host
    host.close()


@pytest.fixture(params=["ssh", "local"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    """Both hosts promise the same."""
    if request.param == "local":
        home = tmp_path / "local"
        home.mkdir()
        return LocalHost(home)
    found: SshHost = request.getfixturevalue("ssh_host")
    return found


def test_starts_in_its_home(host: Host) -> None:
    completed = host.run(["sh", "-c", 'pwd; echo "$HOME"'])
    first, second = completed.stdout.decode().splitlines()
    assert first == second
    assert Path(first).parent.name != "root"


def test_streams_and_exit_code(host: Host) -> None:
    completed = host.run(["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in\0put")
    assert (completed.exit_code, completed.stdout, completed.stderr) == (3, b"in\0put", b"err\n")


def test_missing_program_is_127(host: Host) -> None:
    assert host.run(["no-such-program"]).exit_code == 127


@pytest.mark.parametrize(
    "argument",
    [
        "two words",
        'it\'s "quoted"',
        "a\nb\n",
        "; touch owned",
        "$(touch owned) `touch owned` $HOME",
        "",
        "~",
        "*",
        "-n",
        "naïve 日本語 🌍",
        "back\\slash",
        os.fsdecode(b"not utf-8: \xff"),
    ],
)
def test_arguments_arrive_as_given(host: Host, argument: str) -> None:
    completed = host.run(["printf", "%s|", argument, "end"])
    assert completed.stdout == os.fsencode(argument) + b"|end|"
    assert host.run(["test", "-e", "owned"]).exit_code == 1


def test_large_data_in_all_directions_at_once(host: Host) -> None:
    data = os.urandom(5_000_000)
    completed = host.run(["sh", "-c", "head -c 6000000 /dev/zero >&2 & cat; wait"], stdin=data)
    assert completed.stdout == data
    assert len(completed.stderr) == 6_000_000


def test_input_that_nobody_reads(host: Host) -> None:
    assert host.run(["true"], stdin=b"x" * 5_000_000).exit_code == 0


def test_child_that_keeps_the_streams_does_not_hold_us_up(host: Host) -> None:
    completed = host.run(["sh", "-c", "sleep 30 & echo $!"], timeout_s=20)
    assert completed.exit_code == 0
    host.run(["kill", completed.stdout.decode().strip()])


def test_timeout(host: Host) -> None:
    with pytest.raises(HostUnreachable, match=r"0\.3 s"):
        host.run(["sleep", "20"], timeout_s=0.3)
    assert host.run(["echo", "still here"]).stdout == b"still here\n"


def test_many_threads_share_one_connection(ssh_host: SshHost, sshd: Sshd) -> None:
    barrier = threading.Barrier(16)

    def work(number: int) -> bytes:
        barrier.wait()
        return ssh_host.run(["sh", "-c", f"cat; echo {number}"], stdin=b"x" * 200_000).stdout

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(16)))
    assert results == [b"x" * 200_000 + f"{number}\n".encode() for number in range(16)]
    assert sshd.log.read_text().count("Accepted publickey") == 1


def test_signalled_command_is_told_from_a_lost_connection(ssh_host: SshHost) -> None:
    # `exec` is the shell's own word: nothing is left above the command to turn the signal into an exit code.
    assert ssh_host.run(["exec", "sh", "-c", "kill -KILL $$"]).exit_code == -1


def test_reconnects_after_the_host_restarted(ssh_host: SshHost, sshd: Sshd) -> None:
    ssh_host.run(["true"])
    sshd.stop()
    sshd.start()
    assert ssh_host.run(["echo", "back"]).stdout == b"back\n"


def test_connection_lost_in_the_middle_is_not_repeated(ssh_host: SshHost, sshd: Sshd) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ssh_host.run, ["sh", "-c", "echo x >> ran; sleep 60"])
        while not (sshd.home / "ran").exists():
            assert not running.done()
        sshd.stop()
        with pytest.raises(HostUnreachable, match="lost during"):
            running.result(timeout=30)
    sshd.start()
    assert ssh_host.run(["cat", "ran"]).stdout == b"x\n"


def test_first_use_pins_what_the_host_shows(ssh_host: SshHost, sshd: Sshd, pins: Pins) -> None:
    ssh_host.run(["true"])
    assert pins.file("i-test").read_text() == f"i-test {sshd.host_key}\n"


def test_changed_key_stops_and_the_old_pin_stays(ssh_host: SshHost, sshd: Sshd, pins: Pins) -> None:
    ssh_host.run(["true"])
    before = pins.known("i-test")
    sshd.swap_host_key()
    for _ in range(2):
        with pytest.raises(HostKeyChanged) as caught:
            ssh_host.run(["touch", "owned"])
        assert caught.value.message.count("SHA256:") == 2
    assert pins.known("i-test") == before
    assert not (sshd.home / "owned").exists()


def test_key_known_from_the_provider_must_match(sshd: Sshd, pins: Pins, tmp_path: Path) -> None:
    make_key(tmp_path / "other", comment="")
    other = (tmp_path / "other.pub").read_text()
    with pytest.raises(HostKeyChanged, match="from its provider"):
        SshHost(sshd.endpoint(host_key=other), pins=pins, label="x").run(["true"])
    host = SshHost(sshd.endpoint(host_key=sshd.host_key), pins=pins, label="x")
    assert host.run(["true"]).exit_code == 0
    host.close()


def test_key_of_a_pinned_type_is_asked_for(tmp_path: Path, pins: Pins) -> None:
    """A host with several keys passes when only its RSA key is known."""
    run_checked(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / "rsa")])
    with Sshd(tmp_path / "two", config=f'HostKey "{tmp_path}/rsa"') as sshd:
        host = SshHost(sshd.endpoint(host_key=(tmp_path / "rsa.pub").read_text()), pins=pins, label="x")
        assert host.run(["true"]).exit_code == 0
        host.push(tmp_path / "two" / "home", "copied")
        assert pins.known("i-test")[0].key_type == "ssh-rsa"
        host.close()


def test_wrong_key(sshd: Sshd, pins: Pins, tmp_path: Path) -> None:
    wrong = key_pair(tmp_path / "state").key_file
    with pytest.raises(AuthenticationFailed) as caught:
        SshHost(sshd.endpoint(key_file=wrong), pins=pins, label="lab").run(["true"])
    assert caught.value.message.startswith("lab: ")
    assert str(wrong) in caught.value.message


def test_missing_key_file(sshd: Sshd, pins: Pins, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationFailed, match="absent is missing"):
        SshHost(sshd.endpoint(key_file=tmp_path / "absent"), pins=pins, label="lab").run(["true"])


def test_nobody_listens(sshd: Sshd, pins: Pins) -> None:
    sshd.stop()
    with pytest.raises(HostUnreachable, match=f"lab: .*127.0.0.1:{sshd.port}.*refused"):
        SshHost(sshd.endpoint(), pins=pins, label="lab").run(["true"])


def test_something_else_listens(sshd: Sshd, pins: Pins) -> None:
    sshd.stop()
    with socket.create_server(("127.0.0.1", sshd.port)), pytest.raises(HostUnreachable, match="lab: "):
        SshHost(sshd.endpoint(), pins=pins, label="lab", connect_timeout_s=0.5).run(["true"])


def test_close_and_use_again(ssh_host: SshHost) -> None:
    ssh_host.run(["true"])
    ssh_host.close()
    ssh_host.close()
    assert ssh_host.run(["true"]).exit_code == 0


def test_host_that_allows_one_session_at_a_time(tmp_path: Path, pins: Pins) -> None:
    with Sshd(tmp_path / "narrow", config="MaxSessions 1") as sshd:
        host = SshHost(sshd.endpoint(), pins=pins, label="narrow")
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda number: host.run(["echo", str(number)]).stdout, range(8)))
        assert results == [b"%d\n" % number for number in range(8)]
        host.close()
