"""Verb `settle`: verify on the target what a transfer has brought, and put it in its place."""

from __future__ import annotations

from .files import Json, read_json
from .members import members
from .receiving import accept
from .signalling import kill_until_gone
from .transfers import Transfer, end_transfers


def settle(job_dir: str, name: str, transfer_id: str) -> Json:
    """`bad`: files that arrived damaged or not at all, to be pushed again. None: it is in its place, the transfer over.

    Nobody writes while it is verified: whoever still receives is ended, and nobody else is let in.
    """
    transfer = Transfer(job_dir, transfer_id)
    ticket = read_json(transfer.path("ticket.json"))
    if ticket is None or ticket["name"] != name:
        return {"ok": False, "error": "no_admission", "detail": "nothing was let in for " + name}
    kill_until_gone(lambda: members(transfer.folder))
    with transfer.alone(patience_s=5.0) as nobody_receives:
        if not nobody_receives:
            return {"ok": False, "error": "no_admission", "detail": "somebody is still receiving"}
        accepted = accept(job_dir, name, ticket["manifest"])
        if accepted["ok"]:
            end_transfers(job_dir)
    return {"ok": True, "bad": [] if accepted["ok"] else accepted["bad"]}
