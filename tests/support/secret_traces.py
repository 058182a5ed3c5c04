"""What a secret looks like wherever it may have got to, and what there is to look through."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

# Of whatever key, in OpenSSH's form or another.
_ANY_KEY = b"PRIVATE KEY-----"
_PAUSE_S = 0.002


def key_seed(key_file: Path) -> bytes:
    """The part of an ed25519 key that is secret."""
    key = load_ssh_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key.private_bytes_raw()


def traces_of(secret: bytes) -> list[bytes]:
    """As it is, in hexadecimal, and in base64 wherever it may begin in what was encoded."""
    traces = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret)
        # Characters that hold bits of a neighbour are left out.
        first, last = (0, 2, 3)[before], -4 if (before + len(secret)) % 3 else None
        traces.append(encoded[first:last])
    return traces


@dataclass
class Evidence:
    """All that somebody else could read, by where it was."""

    found: dict[str, bytes] = field(default_factory=dict)

    def add(self, where: str, content: bytes) -> None:
        self.found[where] = self.found.get(where, b"") + content

    def add_files(self, where: str, folder: Path) -> None:
        """Every file below as it is just now, whatever it is called; names count as well.

        Another program reads them: closing a file here would take the locks of our own connection to a store in it.
        """
        # It complains of files that change or vanish meanwhile.
        read = subprocess.run(
            ["tar", "-cf", "-", "-C", str(folder), "."], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
        with tarfile.open(fileobj=io.BytesIO(read.stdout)) as files:
            for entry in files:
                self.add(f"{where}: names", os.fsencode(entry.name) + b"\n")
                content = files.extractfile(entry) if entry.isfile() else None
                if content is not None:
                    self.add(f"{where}: {entry.name.removeprefix('./')}", content.read())

    def leaks(self, secrets: Mapping[str, bytes]) -> set[tuple[str, str]]:
        """(secret's name, where) of every trace; `a private key` for what only looks like one."""
        wanted = {name: traces_of(secret) for name, secret in secrets.items()} | {"a private key": [_ANY_KEY]}
        return {
            (name, where)
            for where, content in self.found.items()
            for name, traces in wanted.items()
            if any(trace in content for trace in traces)
        }


class ProcessList:
    """`with ProcessList() as seen:` reads the command lines of all processes of this computer, over and over."""

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def shows(self, words: Iterable[str]) -> bool:
        """Some command line has all of these words, or words that contain them."""
        wanted = [word.encode() for word in words]
        return any(all(word in line for word in wanted) for line in list(self.lines))

    def _read(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            for pid in psutil.pids():
                # It may have ended since.
                with suppress(OSError):
                    self.lines.add(Path(f"/proc/{pid}/cmdline").read_bytes())
