"""Verb `admit`: let the key of one transfer in, for one rsync that writes into one folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys

from .authorized import change_keys, key_line
from .files import Json, write_atomic, write_json
from .receiving import receive, tidy
from .transfers import Transfer, end_transfers

MODULE = "incoming"
PUBLIC_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{16,200}\Z")

# rsync's own server for strangers. It knows one folder and no other, writes only, follows no name out of it, and takes
# no option but what our own copy uses. (An rsync before 3.2.0 cannot read the list's exceptions and refuses them all.)
SERVER = """\
{login}use chroot = no
list = no
reverse lookup = no
numeric ids = yes
timeout = 120
log file = {log}
[{module}]
path = {path}
read only = no
write only = yes
munge symlinks = yes
refuse options = * !times !partial !partial-dir !relative !dirs !timeout !bwlimit
"""


def admit(job_dir: str, name: str, transfer_id: str, request: Json) -> Json:
    """Make ready to receive. Says so instead when the checkpoint is here already; then nobody is let in."""
    transfer = Transfer(job_dir, transfer_id)
    manifest, public_key = request["manifest"], request["public_key"]
    if not PUBLIC_KEY.match(public_key):
        return {"ok": False, "error": "no_admission", "detail": "expected an ed25519 public key"}
    end_transfers(job_dir, keep=transfer_id)
    ready = receive(job_dir, name, manifest)
    if not ready["ok"] or ready["present"]:
        end_transfers(job_dir)
        return ready
    try:
        transfer.make_folder()
        with transfer.alone() as nobody_receives:
            # A copy that goes on has files there under names of its own.
            if nobody_receives:
                tidy(ready["folder"], manifest, parts=True)
        write_server(transfer, ready["folder"])
        ticket = {"name": name, "manifest": manifest, "rsync": shutil.which("rsync")}
        write_json(transfer.path("ticket.json"), ticket)
        agent = os.path.join(job_dir, "agent.pyz")
        words = [sys.executable, "-I", "-S", agent, "incoming", "--job-dir", job_dir, "--transfer", transfer_id]
        command = "exec " + " ".join(map(shlex.quote, words))
        change_keys(lambda comment: comment == transfer.mark, add=key_line(public_key, transfer.mark, command))
    except (OSError, ValueError) as problem:
        return {"ok": False, "error": "no_admission", "detail": str(problem)}
    return {"ok": True, "present": False}


def write_server(transfer: Transfer, folder: str) -> None:
    log = transfer.path("rsync.log")
    for path in (folder, log):
        if any(letter in path for letter in "%\\\n") or path != path.strip():
            raise ValueError("rsync's configuration cannot name %r" % path)
    # Started by root it would become nobody; others cannot become anybody.
    login = "uid = 0\ngid = 0\n" if os.getuid() == 0 else ""
    text = SERVER.format(login=login, log=log, module=MODULE, path=folder)
    write_atomic(transfer.path("rsyncd.conf"), os.fsencode(text))
