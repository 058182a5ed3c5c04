"""A training whose result tells of every step: the state is a chain of hashes, one link a step."""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import ga_trainer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--step-seconds", type=float, default=0.05)
    parser.add_argument("--save-every", type=int, default=5)
    parser.add_argument("--ballast", type=int, default=0, help="bytes that every checkpoint has besides its state")
    parser.add_argument("--end-at", type=int, default=0, help="end badly at this step")
    parser.add_argument("--times", type=int, default=1, help="in so many generations")
    parser.add_argument("--by-signal", action="store_true", help="end as if killed for its memory")
    parser.add_argument("--leave-child", action="store_true", help="leave a process behind, in a session of its own")
    given = parser.parse_args()

    run = ga_trainer.Run()
    step, chain = 0, ""
    found = run.restore()
    if found:
        state = json.loads((found.path / "state.json").read_text())
        step, chain = state["step"], state["chain"]
    print("generation", os.environ["GA_GENERATION"], "goes on after step", step)
    if given.leave_child:
        subprocess.Popen(["sleep", "300"], start_new_session=True)

    def save() -> None:
        with run.save(step) as folder:
            (folder / "state.json").write_text(json.dumps({"step": step, "chain": chain}))
            if given.ballast:
                (folder / "ballast").write_bytes(os.urandom(given.ballast))

    while step < given.steps:
        time.sleep(given.step_seconds)
        step += 1
        chain = hashlib.sha256(f"{chain} {step}".encode()).hexdigest()
        run.report(step=step, total_steps=given.steps)
        if step == given.end_at and int(os.environ["GA_GENERATION"]) <= given.times:
            if given.by_signal:
                os.kill(os.getpid(), signal.SIGKILL)
            sys.exit(f"cannot go on at step {step}")
        if run.should_stop():
            save()
            run.stop()
        if step % given.save_every == 0 or step == given.steps:
            save()
    run.complete()


main()
