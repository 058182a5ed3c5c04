"""Who holds the private key of a transfer and is not the machine that made it."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.transfers import Pair

from gacli.core.job import Checkpoint
from gacli.ports.host import PeerAddress

HONEST = ["--times", "--relative", "--dirs", "--timeout=30"]


@dataclass(frozen=True, kw_only=True)
class Thief:
    """Whoever has the key, somewhere else than on the source."""

    pair: Pair
    folder: Path
    checkpoint: Checkpoint
    address: PeerAddress

    @property
    def incoming(self) -> Path:
        return self.pair.target.checkpoints / f".incoming-{self.checkpoint.name}"

    @property
    def loot(self) -> Path:
        return self.folder / "loot"

    @property
    def options(self) -> list[str]:
        options = {
            "IdentityFile": self.folder / "key",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "Port": self.address.port,
            "User": self.address.user,
            "LogLevel": "ERROR",
        }
        return ["-F", "none", *(f"-o{name}={value}" for name, value in options.items())]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
            text=True,
            cwd=self.folder,
            env={**os.environ, "RSYNC_PROTECT_ARGS": "0"},
        )

    def ssh(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("ssh", *self.options, *arguments)

    def rsync(self, *arguments: str, through: str = "") -> subprocess.CompletedProcess[str]:
        """through: a program that ssh's input passes."""
        shell = through or shlex.join(["ssh", *self.options])
        return self.run("rsync", "--rsh", shell, *arguments)

    def stolen(self) -> list[Path]:
        return [path for path in self.loot.rglob("*") if path.is_file()]

    def changed(self) -> dict[str, str]:
        """Everything outside the incoming folder that was not there, or not so, when the key was made."""
        now = snapshot(self.folder.parent, without=(self.incoming, self.folder, self.pair.source.sshd.folder))
        before = dict(line.split("\t", 1) for line in (self.folder / "before").read_text().splitlines())
        return {path: now.get(path, "gone") for path in before.keys() | now.keys() if before.get(path) != now.get(path)}


def snapshot(root: Path, *, without: tuple[Path, ...]) -> dict[str, str]:
    """Type and content of everything below, but for logs and locks, which do change."""
    found = {}
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(parent) / name not in without]
        for name in [*folders, *names]:
            path = Path(parent) / name
            if name in ("rsync.log", "lock", "sshd.log"):
                continue
            content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else "folder"
            found[str(path)] = repr(content)
    return found
