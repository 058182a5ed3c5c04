"""Verb `offer`: a key pair for one transfer, made where the checkpoint is; the private key stays there."""

from __future__ import annotations

import os
import subprocess

from .checkpoints import show_manifest
from .files import Json
from .transfers import Transfer, end_transfers


def offer(job_dir: str, name: str, transfer_id: str) -> Json:
    """The public key, and the checkpoint's manifest. The same transfer keeps its key: who pushes with it goes on."""
    transfer = Transfer(job_dir, transfer_id)
    shown = show_manifest(job_dir, name)
    if not shown["ok"]:
        return shown
    end_transfers(job_dir, keep=transfer_id)
    try:
        transfer.make_folder()
        if not os.path.exists(transfer.path("key")):
            make_key(transfer)
        with open(transfer.path("key.pub")) as file:
            public_key = " ".join(file.read().split()[:2])
    except (OSError, subprocess.CalledProcessError) as problem:
        return {"ok": False, "error": "no_offer", "detail": str(problem)}
    return {"ok": True, "public_key": public_key, "manifest": shown["manifest"]}


def make_key(transfer: Transfer) -> None:
    """Under another name first, the private half last: a key that is there is whole."""
    fresh = transfer.path("key.new")
    for path in (fresh, fresh + ".pub"):
        if os.path.exists(path):
            os.unlink(path)
    subprocess.check_call(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ga-transfer", "-f", fresh],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    os.replace(fresh + ".pub", transfer.path("key.pub"))
    os.replace(fresh, transfer.path("key"))
