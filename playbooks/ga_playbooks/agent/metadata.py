"""Asks a machine's metadata service: HTTP with one small question and one small answer."""

from __future__ import annotations

import socket
import time
from typing import Dict, Tuple

Address = Tuple[str, int]
ADDRESS = ("169.254.169.254", 80)  # of EC2, GCE and Azure; to resolve a name may take any time
TIMEOUT_S = 2.0  # for a whole exchange, however slowly it goes on
LIMIT_BYTES = 64 * 1024


def exchange(address: Address, target: str, headers: Dict[str, str], method: str = "GET") -> Tuple[int, str]:
    """The answer's status and body, within TIMEOUT_S. No proxy is asked, no redirect followed.

    By hand, since http.client takes 15 ms and 6 MB to import, for which every start of a trainer would pay, anywhere.

    Raises OSError or ValueError when no whole answer of at most LIMIT_BYTES has come.
    """
    deadline_s = time.monotonic() + TIMEOUT_S
    fields = dict(headers, Host=address[0], Connection="close")
    lines = ["%s %s HTTP/1.1" % (method, target), *("%s: %s" % field for field in fields.items()), "", ""]
    received = bytearray()
    with socket.create_connection(address, timeout=TIMEOUT_S) as connection:
        connection.sendall("\r\n".join(lines).encode("ascii"))
        while len(received) <= LIMIT_BYTES:
            connection.settimeout(max(0.001, deadline_s - time.monotonic()))
            try:
                piece = connection.recv(LIMIT_BYTES)
            except socket.timeout:  # that server keeps connections open; whether the answer is whole, it says itself
                break
            if not piece:
                break
            received += piece
        else:
            raise ValueError("more than %d bytes" % LIMIT_BYTES)
    return parse_answer(bytes(received))


def parse_answer(received: bytes) -> Tuple[int, str]:
    """Status and body of an HTTP/1 answer. Raises ValueError unless it is whole."""
    head, end, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not end or not version.startswith("HTTP/1."):
        raise ValueError("not an answer")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = join_chunks(body)
    elif len(body) != int(fields.get("content-length", len(body))):
        raise ValueError("cut short")
    return int(rest[:3]), body.decode("utf-8")


def join_chunks(body: bytes) -> bytes:
    """Raises ValueError when the last one, which is empty, has not come."""
    joined = b""
    while True:
        line, _, body = body.partition(b"\r\n")
        length = int(line.partition(b";")[0], 16)
        if length == 0:
            return joined
        if length < 0 or len(body) < length:
            raise ValueError("cut short")
        joined, body = joined + body[:length], body[length + 2 :]


def expect_ok(status: int, body: str) -> str:
    if status != 200:
        raise ValueError("status %d" % status)
    return body.strip()
