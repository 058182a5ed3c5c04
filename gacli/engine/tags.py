"""Tags of an instance: whose it is, what for, and until when; they outlive the controller that asked for it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from gacli.folders import Folders
from gacli.store.database import to_text
from gacli.store.instances import InstanceRecord
from gacli.transport.files import locked, write_atomic

STORE: Final = "ga-store"
JOB: Final = "ga-job"
SITE: Final = "ga-site"
GENERATION: Final = "ga-generation"
EXPIRES: Final = "ga-expires"

_ID_BYTES = 8


def tags_of(instance: InstanceRecord, *, store_id: str, expires_epoch_s: float) -> Mapping[str, str]:
    """What an instance is created with. expires_epoch_s: real time at which its lifetime is over."""
    return {
        STORE: store_id,
        JOB: instance.job_id,
        SITE: instance.site,
        GENERATION: str(instance.generation),
        EXPIRES: to_text(datetime.fromtimestamp(expires_epoch_s, UTC)),
    }


def store_id(folders: Folders) -> str:
    """The random id of this state folder, made by whoever needs it first.

    It lies beside the store, not in it: a store that is lost leaves instances that can still be told to be ours.
    """
    path = folders.store_id
    if not path.exists():
        with locked(folders.root / "store-id.lock"):
            if not path.exists():
                write_atomic(path, f"{secrets.token_hex(_ID_BYTES)}\n".encode())
    return path.read_text().strip()
