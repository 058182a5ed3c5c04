"""Watching for preemption notices: connections that go wrong, and the packed agent in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.waiting import wait_for
from typing_extensions import override

from ga_playbooks.agent import metadata
from ga_playbooks.agent.notices import Notices
from ga_playbooks.bundle import agent_zip

NOW_S = 1_795_000_000.0
AT_S = 1_795_257_005.0  # 2026-11-21T10:30:05Z
FIRMWARE = {
    "ec2": ("sys_vendor", "Amazon EC2"),
    "gce": ("product_name", "Google Compute Engine"),
    "azure": ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"),
}


def looked(folder: Path, address: tuple[str, int], cloud: str) -> float | None:
    """What is known after one round of questions at NOW_S."""
    field, value = FIRMWARE[cloud]
    (folder / field).write_text(value)
    notices = Notices({}, address=address, dmi=str(folder))
    notices.look(notices.cloud_sources(), NOW_S)
    (folder / field).unlink()
    return notices.taken_at_s


class Listener(AbstractContextManager["Listener"]):
    """Reads what is asked, one connection after the other, and has `serve` answer in bytes, as it likes."""

    def __init__(self, serve: Callable[[socket.socket, str], object]) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.socket.getsockname()
        self.asked: list[str] = []
        self.serve = serve
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            with connection, contextlib.suppress(OSError):  # the other side may have had enough
                if not (request := connection.recv(4096)):
                    return
                self.asked.append(request.split()[1].decode())
                self.serve(connection, self.asked[-1])

    @override
    def __exit__(self, *_: object) -> None:
        with socket.create_connection(self.address):  # asks nothing: the end
            pass
        self.thread.join()
        self.socket.close()


def drip(connection: socket.socket) -> None:
    """A whole answer that takes half a minute, though never long between two bytes."""
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1500 + b"\r\nContent-Length: 4\r\n\r\nTRUE":
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def keep_open(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nTRUE")
    connection.recv(1)


BAD: dict[str, Callable[[socket.socket], object]] = {
    "silent": lambda connection: connection.recv(1),
    "dripping": drip,
    "closing": lambda _: None,
    "cut in the head": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "cut in the body": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nTRUE"),
    "another protocol": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
    "endless": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 20_000_000 + b"TRUE"),
}


@pytest.mark.parametrize("serve", BAD.values(), ids=BAD)
def test_connections_that_go_wrong_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[socket.socket], object]
) -> None:
    monkeypatch.setattr(metadata, "TIMEOUT_S", 0.5)
    with Listener(lambda connection, _: serve(connection)) as listener:
        for cloud in FIRMWARE:
            assert looked(tmp_path, listener.address, cloud) is None
    assert len(listener.asked) == 4  # one question each, two of GCE


def test_an_answer_on_a_connection_that_stays_open_counts(tmp_path: Path) -> None:
    with Listener(lambda connection, _: keep_open(connection)) as listener:
        assert looked(tmp_path, listener.address, "gce") == NOW_S + 30


@pytest.mark.parametrize("cloud", FIRMWARE)
def test_where_nobody_listens_nothing_is_said(tmp_path: Path, cloud: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
    assert looked(tmp_path, address, cloud) is None


WATCHING = """
import os, sys, threading, time
sys.path.insert(0, sys.argv[1])
from ga_agent.notices import Notices
dear = sorted({"http", "email", "ssl", "urllib"} & set(sys.modules))
notices = Notices(os.environ, address=("127.0.0.1", int(sys.argv[3])), dmi=sys.argv[2], every_s=0.05)
notices.watch()
print(threading.active_count() - 1, "threads", *dear, flush=True)
said, end_s = None, time.monotonic() + 120
while threading.active_count() > 1 and time.monotonic() < end_s:
    if said != notices.taken_at_s:
        said = notices.taken_at_s
        print(said, flush=True)
    time.sleep(0.02)
"""
Watch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """The packed agent's module in a process that prints what changes."""
    packed = tmp_path / "agent.pyz"
    packed.write_bytes(agent_zip())
    started: list[subprocess.Popen[str]] = []

    def start(port: int, **environment: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-I", "-S", "-c", WATCHING, str(packed), str(tmp_path), str(port)]
        env = {**os.environ, **environment}
        started.append(subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_packed_agent_watches_its_cloud_also_when_its_file_is_replaced(tmp_path: Path, watch: Watch) -> None:
    event = {"EventId": "e1", "EventType": "Preempt", "EventStatus": "Scheduled", "Resources": ["vm-1"]}
    preempted = json.dumps({"Events": [{**event, "NotBefore": "Sat, 21 Nov 2026 10:30:05 GMT"}]})
    answers = ["no JSON"]

    def serve(connection: socket.socket, target: str) -> None:
        body = "vm-1" if "compute/name" in target else answers[-1]
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    field, value = FIRMWARE["azure"]
    (tmp_path / field).write_text(value)
    with Listener(serve) as listener:
        process = watch(listener.address[1])
        assert line(process) == "1 threads"
        wait_for(lambda: len(listener.asked) > 2, "questions after a failure", within_s=60)
        (tmp_path / "agent.pyz").write_bytes(b"not a program")
        answers.append(preempted)
        assert float(line(process)) == AT_S
        answers.append('{"Events": []}')
        assert line(process) == "None"
        process.kill()
        process.wait()


def test_a_file_is_watched_instead_of_a_cloud(tmp_path: Path, watch: Watch) -> None:
    field, value = FIRMWARE["gce"]
    (tmp_path / field).write_text(value)
    notice = tmp_path / "notice"
    with Listener(lambda connection, _: keep_open(connection)) as listener:
        process = watch(listener.address[1], GA_PREEMPTION_NOTICE=str(notice))
        assert line(process) == "1 threads"
        (tmp_path / "new").write_text("2026-11-21T10:30:05Z")
        (tmp_path / "new").rename(notice)
        assert float(line(process)) == AT_S
        notice.unlink()
        assert line(process) == "None"
    assert listener.asked == []


def test_a_machine_of_no_known_cloud_has_nothing_to_watch(watch: Watch) -> None:
    process = watch(9)
    assert line(process) == "0 threads"
    assert process.wait(timeout=60) == 0
