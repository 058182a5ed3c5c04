"""The controller as a process: one a job, detached, holder of the job's lock as long as it lives."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO

from gacli.clock import real_epoch_s
from gacli.engine.assembly import clock_of, context_of
from gacli.engine.controller import Controller
from gacli.errors import DiskFull, GaError
from gacli.folders import Folders
from gacli.store import Store
from gacli.store.controllers import ControllerReplaced
from gacli.transport.process import spawn_detached

_TRIES = 20
_TRY_S = 0.05


def is_alive(folders: Folders, job_id: str) -> bool:
    """True while a controller of the job holds its lock; the kernel lets go of it when the process ends, however."""
    # Shared: two that ask at the same time must not take each other for a controller.
    lock = _try_lock(folders.controller_lock(job_id), fcntl.LOCK_SH)
    if lock is None:
        return True
    lock.close()
    return False


def start(folders: Folders, job_id: str) -> None:
    """Start a controller beside us; one that runs already makes the new one end at once."""
    folders.job(job_id).mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = dict(os.environ) | {"GA_STATE_DIR": str(folders.root)}
    spawn_detached(
        [sys.executable, "-m", "gacli.engine.process", job_id], log=folders.controller_log(job_id), env=environment
    )


def main(job_id: str) -> int:
    """Control the job until it is over; the exit code says how this process ended, not the job."""
    folders = Folders.of_user()
    lock = _lock(folders.controller_lock(job_id))
    if lock is None:
        print(f"{job_id} has a controller already", flush=True)
        return 1
    with lock:
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        store = Store(folders.database)
        try:
            store.controllers.take_over(job_id, host=socket.gethostname(), pid=os.getpid(), epoch_s=real_epoch_s())
            Controller(context_of(store, job_id, folders)).run()
        except ControllerReplaced as error:
            print(error, flush=True)
            return error.exit_code
        except GaError as error:
            _tell(store, job_id, "controller", str(error))
            return error.exit_code
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                _tell(store, job_id, "controller", f"{folders.root}: no space left: {error}")
                return DiskFull.exit_code
            # A bug of ours: the trainers are safe under their agents, the log has the whole story.
            traceback.print_exc()
            log = folders.controller_log(job_id)
            _tell(store, job_id, "internal", f"the controller ended with an internal error; see {log}")
            return 3
        finally:
            store.close()
    return 0


def _tell(store: Store, job_id: str, about: str, message: str) -> None:
    now = clock_of(store.jobs.get(job_id)).now()
    # On a full disk neither the log nor the store takes it; whoever watches sees that the controller is gone.
    with suppress(OSError):
        print(message, flush=True)
    with suppress(GaError):
        store.journal.event(job_id, now, real_epoch_s(), "error", {"about": about, "message": message})


def _lock(path: Path) -> IO[str] | None:
    """As `_try_lock`, for a little longer: somebody who only asks whether we live holds it for an instant."""
    for _ in range(_TRIES):
        lock = _try_lock(path, fcntl.LOCK_EX)
        if lock is not None:
            return lock
        time.sleep(_TRY_S)
    return None


def _try_lock(path: Path, how: int) -> IO[str] | None:
    """The open file, locked shared or exclusively, or None when somebody else's lock forbids it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = path.open("a+")
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
