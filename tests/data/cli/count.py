"""Trains nothing: each step hashes the one before, so that the last checkpoint proves that none was lost or repeated.

python count.py --steps 100 --step-seconds 0.05
"""

import argparse
import hashlib
import time

import ga_trainer

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--step-seconds", type=float, default=0.05)
arguments = parser.parse_args()

run = ga_trainer.Run()
step, state = 0, "0" * 64
checkpoint = run.restore()
if checkpoint:
    state = (checkpoint.path / "state.txt").read_text()
    step = checkpoint.step
print(f"going on from step {step}", flush=True)

while step < arguments.steps:
    time.sleep(arguments.step_seconds)
    step += 1
    state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
    run.report(step=step, total_steps=arguments.steps)
    if step % 20 == 0 or step == arguments.steps or run.should_stop():
        with run.save(step) as folder:
            (folder / "state.txt").write_text(state)
        if run.should_stop() and step < arguments.steps:
            print(f"stopped at step {step}", flush=True)
            run.stop()

print(f"counted to {step}", flush=True)
run.complete()
