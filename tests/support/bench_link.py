"""The way between the hosts, throttled or not: when it was used, and how long a plain copy takes on it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from support.sshd import Sshd

# Of a straight copy, which shares the way.
_STREAMS = 4
# kB/s for copies from host to host, and for those from and to this machine; 0 is as fast as it goes.
_RSYNC = """\
#!/bin/sh
case "$*" in *--server*) exec {rsync} "$@" ;; esac
read -r straight others < {limits}
case "$GA_RUN_DIR" in */transfer/*) limit=$((straight / {streams})) kind=straight ;; *) limit=$others kind=other ;; esac
began=$(date +%s.%N)
{rsync} --bwlimit="${{limit}}KB" "$@"
code=$?
echo "$kind $began $(date +%s.%N)" >> {log}
exit $code
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Real seconds since 1970."""

    began_s: float
    ended_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainCopy:
    """Where it is, and the seconds that it took."""

    folder: Path
    taken_s: float


class Link:
    """An rsync before the real one, for whatever is started with `path` as its PATH."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        rsync = shutil.which("rsync")
        assert rsync is not None, "rsync is not installed"
        self._rsync = rsync
        self._folder = folder
        self._limits, self._log = folder / "limits", folder / "log"
        self.throttle()
        program = folder / "rsync"
        names = {"rsync": rsync, "limits": str(self._limits), "log": str(self._log)}
        quoted = {name: shlex.quote(value) for name, value in names.items()}
        program.write_text(_RSYNC.format(streams=_STREAMS, **quoted))
        program.chmod(0o755)

    @property
    def path(self) -> str:
        # As on a host, `python3` is the interpreter: what a version manager puts in its place takes its time.
        return os.pathsep.join([str(self._folder), str(Path(sys.executable).parent), os.environ["PATH"]])

    def throttle(self, *, straight_bytes_per_s: int = 0, others_bytes_per_s: int = 0) -> None:
        """From the next copy on. straight: from host to host, by all its streams together. 0: not at all."""
        self._limits.write_text(f"{straight_bytes_per_s // 1000} {others_bytes_per_s // 1000}\n")

    def straight(self, *, after_s: float) -> Span:
        """From the first to the last of the copies between hosts that began after that."""
        lines = [line.split() for line in self._log.read_text().splitlines()]
        spans = [(float(began), float(ended)) for kind, began, ended in lines if kind == "straight"]
        ours = [(began, ended) for began, ended in spans if began >= after_s]
        return Span(began_s=min(began for began, _ in ours), ended_s=max(ended for _, ended in ours))

    def plain_copy(self, source: Path, target: Sshd) -> PlainCopy:
        """rsync over SSH by itself, as one would by hand."""
        known_hosts, there = self._folder / "known_hosts", target.home / "plain"
        known_hosts.write_text(f"[127.0.0.1]:{target.port} {target.host_key}\n")
        options = [f"UserKnownHostsFile={known_hosts}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
        words = ["ssh", "-F", "none", "-i", str(target.key_file), "-p", str(target.port)]
        shell = shlex.join([*words, *(word for option in options for word in ("-o", option))])
        command = [self._rsync, "-a", "-e", shell, f"{source}/", f"{target.user}@127.0.0.1:{there}/"]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        return PlainCopy(folder=there, taken_s=time.perf_counter() - began)
