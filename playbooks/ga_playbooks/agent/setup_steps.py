"""Verb `setup`: one of the user's set-up steps."""

from __future__ import annotations

import fcntl
import os
import subprocess

from .files import Json, read_json, read_tail, write_json


def setup(job_dir: str, spec: Json) -> Json:
    """Run step `index` of `steps` unless it was done under the same `key`. A call that lost its connection goes on."""
    marker = os.path.join(job_dir, "setup.done")
    index = int(spec["index"])
    with open(os.path.join(job_dir, "setup.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = read_json(marker) or {}
        if done.get("key") == spec["key"] and done.get("completed", 0) > index:
            return {"ok": True, "already": True}
        environment = dict(os.environ, **spec["env"], GA_RUN_DIR=os.path.join(job_dir, "setup"))
        log_path = os.path.join(job_dir, "setup.log")
        with open(log_path, "ab") as log:
            log.write(("\n$ %s\n" % spec["steps"][index]).encode())
            log.flush()
            started = log.tell()
            code = subprocess.call(
                ["/bin/sh", "-ec", spec["steps"][index]],
                cwd=os.path.join(job_dir, "work"),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if code:
            size = min(4096, os.path.getsize(log_path) - started)
            tail = read_tail(log_path, size).decode("utf-8", "replace")
            return {"ok": False, "error": "setup_failed", "exit_code": code, "tail": tail}
        write_json(marker, {"key": spec["key"], "completed": index + 1})
        return {"ok": True, "already": False}
