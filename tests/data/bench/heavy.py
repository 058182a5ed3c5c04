"""A training that is nothing but its checkpoint: `heavy.py RECORD SHARDS SHARD_BYTES`.

Writes into RECORD, line by line, when its process began, when each step was done and when a checkpoint was there: on a
clock that all machines of this computer share.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import ga_trainer

STEP_S = 0.1


def now_s() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


def process_began_s() -> float:
    """From the kernel, which counts since its own start: before Python's first line, and before Python."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    since_boot_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return now_s() - (time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot_s)


class Record:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, what: str, step: int, at_s: float) -> None:
        line = {"generation": int(os.environ["GA_GENERATION"]), "what": what, "step": step, "at_s": at_s}
        os.write(self._file, json.dumps(line).encode() + b"\n")


def main(record: Record, count: int, size: int) -> None:
    run = ga_trainer.Run(keep=1)
    found = run.restore()
    step = found.step if found else 0
    record.note("process", step, process_began_s())
    # Nothing that a copy could make smaller.
    shards = {f"shard-{number}.bin": bytearray(size) if found else bytearray(os.urandom(size)) for number in range(count)}
    if found:
        for name, shard in shards.items():
            with (found.path / name).open("rb", buffering=0) as file:
                view = memoryview(shard)
                while view:
                    view = view[file.readinto(view) :]
    while True:
        time.sleep(STEP_S)
        step += 1
        for shard in shards.values():
            shard[:8] = step.to_bytes(8, "little")
        record.note("step", step, now_s())
        run.report(step=step)
        if run.should_stop():
            with run.save(step) as folder:
                for name, shard in shards.items():
                    (folder / name).write_bytes(shard)
            record.note("saved", step, now_s())
            run.stop()


if __name__ == "__main__":
    main(Record(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
