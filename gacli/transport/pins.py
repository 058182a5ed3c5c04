"""Host key pins: which key an instance must show, kept by instance id because addresses are used again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from gacli.errors import GaError, HostKeyChanged
from gacli.transport.files import locked, write_atomic

_INSTANCE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class HostKey:
    """A public host key. key_type: as in known_hosts (`ssh-ed25519`). blob: the key in base64."""

    key_type: str
    blob: str

    @classmethod
    def parse(cls, text: str) -> HostKey:
        """From `ssh-ed25519 AAAA… [comment]`; GaError when it is not that."""
        fields = text.split()
        try:
            base64.b64decode(fields[1], validate=True)
        except (IndexError, binascii.Error) as error:
            raise GaError(f"not a host key: {text!r}; expected a type and a key in base64") from error
        return cls(key_type=fields[0], blob=fields[1])

    @property
    def fingerprint(self) -> str:
        """As OpenSSH shows it: `SHA256:…`."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def check_instance_id(instance_id: str) -> str:
    """The id itself; GaError when it could not be a file's name, or would leave its folder."""
    if not _INSTANCE_ID.fullmatch(instance_id):
        raise GaError(f"instance id {instance_id!r} cannot name a file; allowed are letters, digits and ._@+-")
    return instance_id


class Pins:
    """One file an instance under `folder`, in known_hosts format with the instance id as the host's name.

    So OpenSSH takes it as it is, with `HostKeyAlias=<instance id>`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def file(self, instance_id: str) -> Path:
        """The instance's file, which need not exist."""
        return self.folder / check_instance_id(instance_id)

    def known(self, instance_id: str) -> tuple[HostKey, ...]:
        """What is pinned for the instance; empty before its first use."""
        path = self.file(instance_id)
        if not path.exists():
            return ()
        lines = path.read_text().splitlines()
        return tuple(HostKey.parse(line.partition(" ")[2]) for line in lines if line.strip())

    def verify(
        self, instance_id: str, offered: HostKey, *, label: str, known_before: tuple[HostKey, ...] = (), where: str = ""
    ) -> None:
        """Accept the key a host offers, pinning it on first use; raise HostKeyChanged when it is another one.

        known_before: keys one of which it must be (from the provider, or the user's known_hosts). where: where those
        come from, for the message.
        """
        path = self.file(instance_id)
        with self._lock, locked(self.folder / ".lock"):
            pinned = self.known(instance_id)
            for expected, source in ((pinned, str(path)), (known_before, where)):
                if expected and offered not in expected:
                    raise self._changed(label, offered, expected, source)
            if not pinned:
                write_atomic(path, f"{instance_id} {offered.key_type} {offered.blob}\n".encode())

    def forget(self, instance_id: str) -> None:
        """Drop the pin of an instance that is gone."""
        self.file(instance_id).unlink(missing_ok=True)

    def _changed(self, label: str, offered: HostKey, expected: tuple[HostKey, ...], source: str) -> HostKeyChanged:
        wanted = ", ".join(f"{key.fingerprint} ({key.key_type})" for key in expected)
        return HostKeyChanged(
            f"{label}: the host key has changed: expected {wanted}, from {source}; "
            f"the host offers {offered.fingerprint} ({offered.key_type})",
            hint="this may be another machine or an attack; find out why the key changed, and only if the new key is "
            f"right, remove the old one from {source} and try again",
        )
