"""The agent itself: one trainer from its start to its exit record."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import time
from typing import Dict, List, Optional

from .clock import TICK_S, Clock
from .files import Json, write_json
from .guarding import post_guard
from .layout import Run
from .leases import Lease
from .limiting import REQUEST, Limiting
from .members import members
from .notices import Notices
from .power import open_meter
from .processes import identity
from .progress import ProgressTail
from .signalling import kill_until_gone
from .stop_sequence import KILL_AFTER_S, StopSequence
from .telemetry import Telemetry
from .telling import once
from .usage import Usage

PROGRESS_EVERY_S = 0.5  # a script may report every step; what people and policies need is the newest
EXIT_RESERVE = b" " * 32768  # so that a full disk cannot keep the exit record from being written


class Supervisor:
    """The agent: from the start of one trainer to its exit record."""

    def __init__(self, run: Run, spec: Json, clock: Clock, lock: int, gpus: int) -> None:
        self.run, self.spec, self.clock, self.lock, self.gpus = run, spec, clock, lock, gpus
        self.sample_s = float(spec["sample_s"])
        self.telemetry = Telemetry(run.path("telemetry.jsonl"))
        self.progress = ProgressTail(run.path("progress.jsonl"))
        self.stop = StopSequence(run)
        self.lease = Lease(run, spec.get("lease_s"))
        self.notices = Notices(os.environ)
        self.lib = os.path.join(run.job_dir, "lib")
        self.meter = open_meter(spec["power"], gpus, self.sample_s, self.lib, once())
        self.limiting = Limiting(run, self.meter.gpu.binding if self.meter.gpu else None, once())
        self.usage = Usage(run.folder)
        self.newest: Optional[Json] = None
        self.reported_s = -math.inf
        self.phase = "train"
        self.saving = False
        self.cpu_s = 0.0

    def environment(self) -> Dict[str, str]:
        environment = dict(os.environ, **self.spec.get("env", {}))
        paths = [self.lib, environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else [self.lib]
        environment.update(
            PYTHONPATH=os.pathsep.join(paths),
            PYTHONUNBUFFERED="1",
            GA_RUN_DIR=self.run.folder,
            GA_CHECKPOINT_DIR=os.path.join(self.run.job_dir, self.spec["checkpoint_dir"]),
            GA_GENERATION=str(self.run.generation),
            GA_SITE=self.spec["site"],
            GA_STOP_SIGNAL=self.spec["signal"],
            GA_PROGRESS_FILE=self.run.path("progress.jsonl"),
            GA_NODE_RANK="0",
            GA_NUM_NODES="1",
            GA_MASTER_ADDR="127.0.0.1",
            GA_GPUS_PER_NODE=str(self.gpus),
        )
        return environment

    def start(self) -> None:
        """Raises OSError when the trainer cannot be started; then the generation counts as never started."""
        environment = self.environment()
        os.makedirs(environment["GA_CHECKPOINT_DIR"], exist_ok=True)
        with open(self.run.path("exit.reserve"), "wb") as file:
            file.write(EXIT_RESERVE)
        if self.spec.get("limit"):
            write_json(self.run.path(REQUEST), self.spec["limit"])
        me = identity(os.getpid())
        # Before the trainer: from here on, a free lock without an exit record means that the agent was lost.
        self.note({"agent": me, "trainer": None, "started_s": self.clock.now()})
        log = os.open(self.run.path("trainer.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self.trainer = subprocess.Popen(
                ["/bin/sh", "-c", self.spec["command"]],
                cwd=os.path.join(self.run.job_dir, self.spec["work_dir"]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(self.lock,),
            )
        except OSError:
            os.unlink(self.run.path("agent.json"))
            raise
        finally:
            os.close(log)
        self.meter.begin()
        self.started_s = self.sampled_s = self.clock.now()
        self.note({"agent": me, "trainer": identity(self.trainer.pid), "started_s": self.started_s})
        self.telemetry.add(
            self.started_s,
            "start",
            {"generation": self.run.generation, "site": self.spec["site"], "gpus": self.gpus, "pid": self.trainer.pid},
        )

    def note(self, fields: Json) -> None:
        write_json(self.run.path("agent.json"), dict(fields, offset_s=self.clock.offset_s))

    def supervise(self) -> None:
        if self.spec.get("lease_s") is not None:
            post_guard(self.run, self.lease, self.lock, self.lease_request())
        if self.meter.gpu:
            self.meter.gpu.watch()
        self.notices.watch()
        while True:
            pid, status, usage = os.wait4(self.trainer.pid, os.WNOHANG)
            now_s = self.clock.now()
            if pid:
                self.trainer.returncode = status
                return self.finish(status, usage.ru_utime + usage.ru_stime, now_s)
            self.read_progress(now_s)
            self.tell_limits(self.limiting.step(), now_s)
            asked = self.stop.step() or self.stop_unasked(now_s)
            phase = "checkpoint" if self.stop.requested or self.saving else "train"
            if phase != self.phase or now_s - self.sampled_s >= self.sample_s:
                self.sample(now_s)
                self.phase = phase
            if asked:
                self.telemetry.add(now_s, "stop", asked)
            self.telemetry.flush()
            time.sleep(TICK_S)

    def tell_limits(self, outcomes: List[Json], now_s: float) -> None:
        for outcome in outcomes:
            self.telemetry.add(now_s, "limit", outcome)

    def stop_unasked(self, now_s: float) -> Optional[Json]:
        """What the trainer is asked by the agent alone: nobody may be there to do it."""
        if self.stop.requested:
            return None
        if self.lease.over():
            return self.stop.request(self.lease_request())
        if self.notices.taken_at_s is not None:
            # What is left, on the machine's clock of this instant: it may have been set since the start.
            at_s = now_s + self.notices.taken_at_s - time.time()
            return self.stop.request(self.preemption_request(at_s, now_s))
        return None

    def lease_request(self) -> Json:
        return {"signal": self.spec["signal"], "grace_s": self.spec["grace_s"], "because": "lease"}

    def preemption_request(self, at_s: float, now_s: float) -> Json:
        """at_s: when the machine will be gone; the script may take until shortly before."""
        with contextlib.suppress(OSError):  # on a full disk the checkpoint is what counts
            write_json(self.run.path("preemption.json"), {"at_s": at_s})
        grace_s = min(float(self.spec["grace_s"]), max(1.0, at_s - now_s - 2 * KILL_AFTER_S))
        return {"signal": self.spec["signal"], "grace_s": grace_s, "because": "preemption"}

    def read_progress(self, now_s: float, last: bool = False) -> None:
        for kind, fields in self.progress.read():
            if kind == "progress":
                self.newest = fields
                self.saving = False
            elif kind == "save_begin":
                self.saving = True
            else:
                self.report_progress(now_s)
                self.saving = self.saving and kind != "saved"
                self.stop.complete = self.stop.complete or kind == "complete"
                self.telemetry.add(now_s, kind, fields)
        if last or now_s - self.reported_s >= PROGRESS_EVERY_S:
            self.report_progress(now_s)

    def report_progress(self, now_s: float) -> None:
        if self.newest is not None:
            self.telemetry.add(now_s, "progress", self.newest)
            self.newest, self.reported_s = None, now_s

    def sample(self, now_s: float, waited_cpu_s: float = 0.0) -> None:
        """cpu_percent: 100 is one core. The trainer's CPU seconds are summed, so that no rounding is lost."""
        duration_s = now_s - self.sampled_s
        if duration_s <= 0:
            return
        processes = self.usage.members(self.trainer.pid)
        total_cpu_s = waited_cpu_s + sum(process.cpu_s for process in processes)
        used_s = max(0.0, total_cpu_s - self.cpu_s)
        fields = {"t0": round(self.sampled_s, 6), "t1": round(now_s, 6), "phase": self.phase}
        fields.update(self.meter.take(duration_s, used_s))
        fields["cpu_percent"] = round(100.0 * used_s / duration_s, 1)
        fields["memory_bytes"] = sum(process.memory_bytes for process in processes)
        self.telemetry.add(now_s, "power", fields)
        self.sampled_s, self.cpu_s = now_s, max(self.cpu_s, total_cpu_s)

    def finish(self, status: int, cpu_s: float, now_s: float) -> None:
        self.read_progress(now_s, last=True)
        self.sample(now_s, cpu_s)
        kill_until_gone(lambda: members(self.run.folder, self.trainer.pid))
        self.tell_limits(self.limiting.close(), now_s)
        record = {
            "generation": self.run.generation,
            "exit_code": None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status),
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "stop_requested": self.stop.requested,
            "stopped_because": self.stop.because,
            "forced": self.stop.forced,
            "complete": self.stop.complete,
            "started_s": self.started_s,
            "ended_s": now_s,
            "tail": self.run.tail(),
        }
        self.telemetry.add(now_s, "exit", record)
        self.telemetry.sync()
        os.unlink(self.run.path("exit.reserve"))
        write_json(self.run.path("exit.json"), record)
        os.close(self.lock)
