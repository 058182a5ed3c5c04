"""How files are shared out among several connections, and one connection's rsync."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from .files import Json
from .manifests import bad_files
from .whole import PARTIAL

MOST_STREAMS = 4
WORTH_STREAMS_BYTES = 64 << 20
ATTEMPTS = 3
PAUSE_S = 1.0

OPTIONS = (
    "--times",
    # The manifest lists what a link leads to, and the other side takes no links.
    "--copy-links",
    "--partial-dir=" + PARTIAL,
    "--from0",
    "--info=progress2",
    "--no-human-readable",
    "--no-inc-recursive",
    "--outbuf=N",
    "--timeout=120",
    # Names relative to the transfer's folder, in which rsync runs, need no quoting for rsync's own splitting.
    "--rsh=ssh -F ssh_config",
)
PROGRESS = re.compile(rb"^\s*(\d+)\s+\d+%")
BAD_HOST_KEY = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed")
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
# https://download.samba.org/pub/rsync/rsync.1#EXIT_VALUES: the connection broke, or somebody was killed.
CUT_CODES = frozenset({5, 10, 12, 19, 20, 30, 35, 137, 143, 255})
# Some files could not be read or written.
FILES_CODES = frozenset({11, 23, 24})


class Outcome(NamedTuple):
    """How a copy ended. error: empty when all files are there, else an answer of the agent's. bad: damaged here."""

    error: str = ""
    detail: str = ""
    bad: Tuple[str, ...] = ()


def share_out(files: Sequence[Json]) -> List[List[str]]:
    """Disjoint lists of paths of about equal size; one list unless several are worth their connections."""
    worth = len(files) >= 2 and sum(file["size"] for file in files) >= WORTH_STREAMS_BYTES
    count = min(MOST_STREAMS, len(files)) if worth else 1
    lists: List[List[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for file in sorted(files, key=lambda file: (-file["size"], file["path"])):
        least = sizes.index(min(sizes))
        lists[least].append(file["path"])
        sizes[least] += file["size"]
    return [paths for paths in lists if paths]


class Stream:
    """Copies some files, again when the connection is cut. `done_bytes` grows meanwhile, and never shrinks.

    reached: set once the peer has answered this or another stream. Until then a connection that fails is final.
    """

    def __init__(
        self, number: int, files: List[Json], source: str, target: str, folder: str, environment: Dict[str, str]
    ) -> None:
        """folder: the transfer's, with its ssh_config; target: what rsync is to copy to, as named there."""
        self.done_bytes = 0
        self.reached = threading.Event()
        self.outcome = Outcome("peer_unreachable", "not tried")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._files = files
        self._source = source
        self._folder = folder
        self._environment = environment
        self._list = "list-%d" % number
        self._argv = ["rsync", *OPTIONS, "--files-from=" + self._list, "--", source + "/", target]

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def join(self, patience_s: float) -> None:
        self._thread.join(patience_s)

    def stop(self) -> None:
        self._stopped.set()
        if self._process:
            self._process.terminate()

    def _run(self) -> None:
        with open(os.path.join(self._folder, self._list), "wb") as file:
            # `./` keeps a name that begins with `#` or `;` from being read as a comment.
            file.write(b"".join(b"./" + os.fsencode(one["path"]) + b"\0" for one in self._files))
        failures = brought = 0
        while not self._stopped.is_set():
            code, said = self._copy()
            if code == 0:
                self.reached.set()
                self.outcome = Outcome()
                return
            if self._stopped.is_set():
                self.outcome = Outcome("stopped")
                return
            self.outcome = self._judge(code, said)
            # Tries in a row that brought nothing new.
            failures = 1 if self.done_bytes > brought else failures + 1
            brought = self.done_bytes
            cut = self.outcome.error == "peer_unreachable" and (code < 0 or code in CUT_CODES)
            if not cut or not self.reached.is_set() or failures >= ATTEMPTS:
                return
            self._stopped.wait(PAUSE_S)

    def _copy(self) -> Tuple[int, str]:
        log = os.path.join(self._folder, self._list + ".err")
        with open(log, "wb") as stderr:
            process = subprocess.Popen(
                self._argv,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self._process = process
        if self._stopped.is_set():
            process.terminate()
        assert process.stdout
        rest = b""
        with process.stdout as pipe:
            for chunk in iter(lambda: os.read(pipe.fileno(), 65536), b""):
                # Each line begins with CR: the last one is read as soon as it has said how far.
                lines = re.split(rb"[\r\n]", rest + chunk)
                for match in filter(None, map(PROGRESS.match, lines)):
                    self.done_bytes = max(self.done_bytes, int(match.group(1)))
                    self.reached.set()
                rest = lines[-1]
        code = process.wait()
        with open(log, "rb") as file:
            return code, file.read()[-4096:].decode("utf-8", "replace").strip()

    def _judge(self, code: int, said: str) -> Outcome:
        detail = "; ".join([*said.splitlines()[-3:], "rsync ended with %d" % code])
        if BAD_HOST_KEY.search(said):
            return Outcome("peer_key_changed", detail)
        if NO_SPACE.search(said):
            return Outcome("peer_disk_full", detail)
        bad = bad_files(self._source, {"files": self._files}, hashes=False) if code in FILES_CODES else []
        return Outcome("mismatch", detail, tuple(bad)) if bad else Outcome("peer_unreachable", detail)
