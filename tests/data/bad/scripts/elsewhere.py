"""Saves well, but not where its configuration says."""

import os
import signal
import sys
import time
from pathlib import Path

import ga_trainer

stopping = False


def stop(_number: int, _frame: object) -> None:
    global stopping
    stopping = True


signal.signal(signal.SIGUSR1, stop)
os.environ["GA_CHECKPOINT_DIR"] = str(Path("saved").absolute())
run = ga_trainer.Run()
signal.signal(signal.SIGUSR1, stop)
found = run.restore()
step = found.step if found else 0
print("goes on after step", step)
while step < int(sys.argv[1]):
    time.sleep(0.05)
    step += 1
    run.report(step=step, total_steps=int(sys.argv[1]))
    if stopping or step % 10 == 0:
        with run.save(step) as folder:
            (folder / "state").write_text(str(step))
    if stopping:
        sys.exit(0)
run.complete()
