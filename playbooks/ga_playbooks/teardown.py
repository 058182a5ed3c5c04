"""Teardown: nothing of the job runs or lies on the machine afterwards."""

from __future__ import annotations

import contextlib

from ga_playbooks.ask import NotPrepared, ask
from ga_playbooks.layout import JobFolder
from ga_playbooks.messages import Done
from gacli.errors import CommandFailed
from gacli.ports.host import Host

REMOVE_TIMEOUT_S = 600.0


def teardown(host: Host, job_id: str) -> None:
    """Kill what runs, remove the job's folder; fine when there is nothing. GaError when a process cannot be killed."""
    job = JobFolder(job_id)
    with contextlib.suppress(NotPrepared):
        ask(host, job, "end", expect=Done, what="ending the job")
    done = host.run(["rm", "-rf", job.path], timeout_s=REMOVE_TIMEOUT_S)
    if done.exit_code != 0:
        raise CommandFailed(
            command=f"rm -rf {job.path}",
            host=host.label,
            exit_code=done.exit_code,
            stderr=done.stderr.decode(errors="replace"),
        )
