"""Hears every polite request to stop and does nothing about it; saves now and then all the same."""

import json
import signal
import time

import ga_trainer

run = ga_trainer.Run()
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: None)
found = run.restore()
step = found.step if found else 0
print("goes on after step", step)
while True:
    time.sleep(0.05)
    step += 1
    run.report(step=step, total_steps=100_000)
    if step % 5 == 0:
        with run.save(step) as folder:
            (folder / "state.json").write_text(json.dumps({"step": step}))
