"""Supervises a job's trainer on a machine, and answers for it. One standard-library file, Python 3.8 or newer, Linux.

    python3 agent.py VERB --job-dir DIR …   prints one JSON object: {"ok": true, …} or {"ok": false, "error": …}

`launch` leaves an agent process behind. It starts the trainer in a session of its own, keeps the job's lock together
with it, samples power, numbers whatever happens into telemetry.jsonl and writes exit.json before it lets the lock go.
All other verbs read and write files, so that they work whether or not an agent lives. Times in records are epoch
seconds on the controller's clock; energy is in J, power in W, sizes in bytes.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

Json = Dict[str, Any]

TICK_S = 0.1
KILL_AFTER_S = 5.0  # between SIGTERM and SIGKILL, once the grace period is over
CLOCK_TOLERANCE_S = 5.0
PROGRESS_EVERY_S = 0.5  # a script may report every step; what people and policies need is the newest
LINE_LIMIT = 64 * 1024
EXIT_RESERVE = b" " * 32768  # so that a full disk cannot keep the exit record from being written
# With metered GPUs the rest is a small part: 1 W for each core that exists, 5 W more for each that is busy.
CORE_IDLE_W, CORE_BUSY_W = 1.0, 5.0
GPU_STALE_S = 30.0
WHOLE = "whole"
PARTIAL = ".ga-partial"  # where a copy keeps files that have not arrived whole
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")


# ---------------------------------------------------------------------------------------------------- files


def write_atomic(path: str, data: bytes) -> None:
    """The file has either its old content or all of the new one, also after a power cut."""
    temporary = "%s.tmp-%d" % (path, os.getpid())
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_path(os.path.dirname(path))


def sync_path(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str, value: Json) -> None:
    write_atomic(path, json.dumps(value).encode())


def read_json(path: str) -> Optional[Json]:
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_tail(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read()
    except OSError:
        return b""


class Run:
    """Where one generation keeps its files."""

    def __init__(self, job_dir: str, generation: int) -> None:
        self.job_dir = job_dir
        self.generation = generation
        self.folder = os.path.join(job_dir, "gen", str(generation))

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def read(self, name: str) -> Optional[Json]:
        return read_json(self.path(name))

    def has(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def tail(self) -> str:
        text = read_tail(self.path("trainer.log"), 4096).decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-20:])


def open_lock(job_dir: str) -> int:
    return os.open(os.path.join(job_dir, "lock"), os.O_RDWR | os.O_CREAT, 0o600)


def take_lock(descriptor: int, how: int, patience_s: float = 0.0) -> bool:
    """patience_s: others test the lock by holding it for an instant, which must not look like a live trainer."""
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)


def lock_held(job_dir: str) -> bool:
    """True when an agent or a trainer of the job lives."""
    descriptor = open_lock(job_dir)
    try:
        return not take_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


# ------------------------------------------------------------------------------------------------ processes


class Process(NamedTuple):
    pid: int
    state: str
    parent: int
    session: int
    cpu_s: float  # its own and that of children it has waited for
    started: int
    memory_bytes: int


TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def read_process(pid: int) -> Optional[Process]:
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            parts = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if len(parts) < 22:
        return None
    cpu_s = sum(int(part) for part in parts[11:15]) / TICKS_PER_S
    return Process(
        pid, parts[0].decode(), int(parts[1]), int(parts[3]), cpu_s, int(parts[19]), int(parts[21]) * PAGE_BYTES
    )


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def identity(pid: int) -> Json:
    """Names a process for good: process ids are reused."""
    process = read_process(pid)
    return {"pid": pid, "started": process.started if process else 0, "boot_id": boot_id()}


def is_alive(known: Optional[Json]) -> bool:
    if known is None or known.get("boot_id") != boot_id():
        return False
    process = read_process(int(known["pid"]))
    return process is not None and process.state not in "ZX" and process.started == known["started"]


def run_folder_of(pid: int) -> str:
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            for variable in file.read().split(b"\0"):
                if variable.startswith(b"GA_RUN_DIR="):
                    return os.fsdecode(variable[len(b"GA_RUN_DIR=") :])
    except OSError:
        pass  # it ended, or it is somebody else's
    return ""


def members(folder: str, session: Optional[int] = None) -> Dict[int, Process]:
    """Processes of the trainer's session, and those outside it whose GA_RUN_DIR is `folder` or below it."""
    found = {}
    for entry in os.listdir("/proc"):
        process = read_process(int(entry)) if entry.isdigit() else None
        if process is None or process.pid == os.getpid():
            continue
        if process.session == session or (run_folder_of(process.pid) + "/").startswith(folder + "/"):
            found[process.pid] = process
    return found


def members_of(run: Run) -> Dict[int, Process]:
    trainer = (run.read("agent.json") or {}).get("trainer") or {}
    session = trainer.get("pid") if trainer.get("boot_id") == boot_id() else None
    return members(run.folder, session)


def catches(pid: int, number: int) -> bool:
    try:
        with open("/proc/%d/status" % pid) as file:
            for line in file:
                if line.startswith("SigCgt:"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except OSError:
        pass
    return False


def send(pids: List[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):  # it may have just ended
            os.kill(pid, number)


def deliver(processes: Dict[int, Process], number: int) -> Tuple[int, List[int]]:
    """Signal the script, wherever it is among shells and workers. Returns the signal used and whom it went to.

    Most signals kill a process that has no handler, so only those that catch it get it: a wrapping shell lives on.
    A worker forked from a process with a handler has it too, and must not save a second time: only the topmost get
    it. When nobody catches it, SIGTERM goes the same way, and to everybody when nobody catches that either.
    """
    for wanted in (number, int(signal.SIGTERM)):
        catching = {pid for pid in processes if catches(pid, wanted)}
        topmost = [pid for pid in sorted(catching) if not has_ancestor(processes, pid, catching)]
        if topmost:
            send(topmost, wanted)
            return wanted, topmost
    everybody = sorted(processes)
    send(everybody, signal.SIGTERM)
    return int(signal.SIGTERM), everybody


def has_ancestor(processes: Dict[int, Process], pid: int, among: Any) -> bool:
    seen = {pid}
    while pid in processes and processes[pid].parent not in seen:
        pid = processes[pid].parent
        seen.add(pid)
        if pid in among:
            return True
    return False


def kill_until_gone(find: Callable[[], Dict[int, Process]], patience_s: float = 5.0) -> int:
    """SIGKILL whatever `find` returns until it returns nothing that lives; returns how many are left."""
    until = time.monotonic() + patience_s
    while True:
        living = [process.pid for process in find().values() if process.state not in "ZX"]
        if not living or time.monotonic() >= until:
            return len(living)
        send(living, signal.SIGKILL)
        time.sleep(0.02)


# ---------------------------------------------------------------------------------------------------- clock


def monotonic_s() -> float:
    """CLOCK_BOOTTIME goes on while a machine sleeps, and never jumps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Clock:
    """The controller's clock: its time at the start plus what has passed here since.

    offset_s: from this machine's wall clock to the controller's, at the start.
    """

    def __init__(self, epoch_s: float) -> None:
        wall_s = time.time()
        self.epoch_s = wall_s if abs(wall_s - epoch_s) <= CLOCK_TOLERANCE_S else epoch_s
        self.monotonic_at_s = monotonic_s()
        self.offset_s = self.epoch_s - wall_s

    def now(self) -> float:
        return self.epoch_s + monotonic_s() - self.monotonic_at_s


# ---------------------------------------------------------------------------------------------------- power


def nvidia_smi(*arguments: str) -> str:
    """Its output; empty when there is no such program or it fails."""
    try:
        done = subprocess.run(["nvidia-smi", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def count_gpus() -> int:
    return sum(1 for line in nvidia_smi("-L").splitlines() if line.startswith("GPU "))


class GpuMeter:
    """All GPUs of the machine, read by nvidia-smi in a thread, because a wedged driver must not delay a signal."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.percent: Optional[float] = None
        self.lock = threading.Lock()
        self.power_w = 0.0
        self.read_at_s = self.counted_to_s = monotonic_s()
        self.energy_j = 0.0
        self.works = self.read()

    def read(self) -> bool:
        output = nvidia_smi("--query-gpu=power.draw,utilization.gpu,memory.used", "--format=csv,noheader,nounits")
        try:
            rows = [[float(cell) for cell in line.split(",")[:2]] for line in output.splitlines() if line.strip()]
        except ValueError:
            return False
        if not rows:
            return False
        with self.lock:
            self.count()
            self.power_w = sum(row[0] for row in rows)
            self.percent = sum(row[1] for row in rows) / len(rows)
            self.read_at_s = self.counted_to_s
        return True

    def count(self) -> None:
        now_s = monotonic_s()
        self.energy_j += self.power_w * (now_s - self.counted_to_s)
        self.counted_to_s = now_s

    def watch(self) -> None:
        def forever() -> None:
            while True:
                time.sleep(self.every_s)
                self.read()

        threading.Thread(target=forever, daemon=True).start()

    def take_j(self) -> Tuple[float, bool]:
        """Energy since the last call, and whether it rests on a reading that is too old."""
        with self.lock:
            self.count()
            energy_j, self.energy_j = self.energy_j, 0.0
            return energy_j, self.counted_to_s - self.read_at_s > max(GPU_STALE_S, 3 * self.every_s)


class RaplMeter:
    """The CPU packages' and memory's own energy counters."""

    def __init__(self, root: str = "/sys/class/powercap") -> None:
        self.last_uj: Dict[str, int] = {}
        self.range_uj: Dict[str, int] = {}
        for zone in glob.glob(os.path.join(root, "intel-rapl:*")):
            try:
                with open(os.path.join(zone, "name")) as file:
                    name = file.read().strip()
                if not name.startswith("package") and name != "dram":
                    continue
                self.range_uj[zone] = self.read_uj(zone, "max_energy_range_uj")
                self.last_uj[zone] = self.read_uj(zone, "energy_uj")
            except (OSError, ValueError):
                continue  # most systems let only root read them
        self.works = bool(self.last_uj)

    @staticmethod
    def read_uj(zone: str, name: str) -> int:
        with open(os.path.join(zone, name)) as file:
            return int(file.read())

    def take_j(self) -> float:
        """Energy since the last call."""
        total_uj = 0
        for zone, before_uj in self.last_uj.items():
            now_uj = self.last_uj[zone] = self.read_uj(zone, "energy_uj")
            total_uj += now_uj - before_uj if now_uj >= before_uj else now_uj + self.range_uj[zone] - before_uj
        return total_uj / 1e6


class Meter:
    """What the machine draws: metered where it can be, else by the site's stated model."""

    def __init__(self, power: Json, gpus: int, sample_s: float) -> None:
        self.idle_w, self.busy_w = float(power["idle_w"]), float(power["busy_w"])
        metered = os.environ.get("GA_METER") != "model"  # for machines that only stand for others
        gpu = GpuMeter(max(sample_s, 1.0)) if metered and gpus else None
        self.gpu = gpu if gpu and gpu.works else None
        # RAPL alone would leave out GPUs that cannot be read: then the site's model says more.
        rapl = RaplMeter() if metered and (self.gpu or not gpus) else None
        self.rapl = rapl if rapl and rapl.works else None

    def take(self, duration_s: float, cpu_s: float) -> Json:
        """Energy of the interval that ends now, in which the trainer used cpu_s seconds of CPU."""
        energy_j, names, modelled = 0.0, [], False
        if self.gpu:
            gpu_j, stale = self.gpu.take_j()
            energy_j, modelled = energy_j + gpu_j, stale
            names.append("nvidia-smi")
        if self.rapl:
            energy_j += self.rapl.take_j()
            names.append("rapl")
        else:
            energy_j += self.cpu_model_j(duration_s, cpu_s) if self.gpu else self.site_model_j(duration_s, cpu_s)
            names.append("model")
            modelled = True
        percent = self.gpu.percent if self.gpu else None
        return {"energy_j": energy_j, "meter": "+".join(names), "modelled": modelled, "gpu_percent": percent}

    def site_model_j(self, duration_s: float, cpu_s: float) -> float:
        busy_s = min(cpu_s, duration_s)
        return self.idle_w * duration_s + (self.busy_w - self.idle_w) * busy_s

    @staticmethod
    def cpu_model_j(duration_s: float, cpu_s: float) -> float:
        cores = os.cpu_count() or 1
        return CORE_IDLE_W * cores * duration_s + CORE_BUSY_W * min(cpu_s, cores * duration_s)


# ------------------------------------------------------------------------------------------------ telemetry


class Telemetry:
    """Numbered JSON lines. What a full disk refuses is kept and written later."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.seq = 0
        self.pending = b""

    def add(self, at_s: float, kind: str, fields: Json) -> None:
        self.seq += 1
        record = {"seq": self.seq, "t": round(at_s, 6), "kind": kind}
        record.update(fields)
        self.pending += json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        try:
            while self.pending:
                self.pending = self.pending[os.write(self.descriptor, self.pending) :]
        except OSError as problem:
            if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def sync(self) -> None:
        self.flush()
        with contextlib.suppress(OSError):
            os.fsync(self.descriptor)


def record_seq(line: bytes) -> Optional[int]:
    found = re.match(rb'\{"seq":(\d+),.*\}\n\Z', line, re.DOTALL)
    return int(found.group(1)) if found else None


def read_records(path: str, after: int, limit: int) -> Tuple[List[str], bool]:
    """Whole records with seq > after, at most about `limit` bytes of them, and whether there are more.

    The position is found by bisection: a poll of a file of many days costs a few reads.
    """
    if not os.path.exists(path):
        return [], False
    with open(path, "rb") as file:
        low, high = 0, os.fstat(file.fileno()).st_size
        while low < high:
            middle = (low + high) // 2
            file.seek(max(0, middle - 1))
            if middle:
                file.readline()
            seq = record_seq(file.readline()) if file.tell() < high else None
            if seq is None or seq > after:
                high = middle
            else:
                low = file.tell()
        file.seek(low)
        records: List[str] = []
        size = 0
        for line in file:
            seq = record_seq(line)
            if seq is None or seq <= after:
                continue
            if records and size + len(line) > limit:
                return records, True
            records.append(line.decode().rstrip("\n"))
            size += len(line)
        return records, False


def last_seq(path: str) -> int:
    lines = read_tail(path, 4 * LINE_LIMIT).splitlines(keepends=True)
    return next((seq for seq in map(record_seq, reversed(lines)) if seq is not None), 0)


def finite(value: Any) -> Optional[float]:
    try:
        number = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole_number(value: Any) -> Optional[int]:
    number = finite(value)
    return int(number) if number is not None and number >= 0 else None


def parse_progress(line: bytes) -> Optional[Tuple[str, Json]]:
    """One line of the script's report as (kind, fields); None for what is none: scripts write anything."""
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = report.get("kind") if isinstance(report, dict) else None
    if kind in ("complete", "save_begin"):
        return str(kind), {}
    step = whole_number(report.get("step")) if kind in ("progress", "saved") else None
    if kind == "progress" and step is not None:
        metrics = report.get("metrics")
        pairs = [(str(key), finite(value)) for key, value in metrics.items()] if isinstance(metrics, dict) else []
        return "progress", {
            "step": step,
            "total": whole_number(report.get("total")),
            "loss": finite(report.get("loss")),
            "metrics": {key: value for key, value in pairs if value is not None},
        }
    if kind == "saved" and isinstance(report.get("name"), str):
        size, duration_s = whole_number(report.get("bytes")), finite(report.get("duration_s"))
        return "saved", {
            "name": report["name"],
            "step": -1 if step is None else step,
            "bytes": size or 0,
            "duration_s": max(duration_s or 0.0, 0.0),
        }
    return None


class ProgressTail:
    """Follows the file that the script appends to; a line counts once it is whole."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.offset = 0
        self.partial = b""

    def read(self) -> List[Tuple[str, Json]]:
        try:
            if os.path.getsize(self.path) <= self.offset:
                return []
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except OSError:
            return []
        self.offset += len(data)
        lines = (self.partial + data).split(b"\n")
        self.partial = lines.pop()[: LINE_LIMIT + 1]
        reports = [parse_progress(line) for line in lines if 0 < len(line) <= LINE_LIMIT]
        return [report for report in reports if report is not None]


# -------------------------------------------------------------------------------------------------- stopping


class StopSequence:
    """stop.json → the signal → grace period → SIGTERM to all → SIGKILL to all; one step a call."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.version = 0
        self.requested = False
        self.forced = False
        self.deadline_s = math.inf

    def step(self) -> Optional[Json]:
        """Returns what was asked for, when it has just been."""
        try:
            version = os.stat(self.run.path("stop.json")).st_mtime_ns
        except OSError:
            return None
        request = self.run.read("stop.json") if version != self.version else None
        if request:
            self.version = version
            return self.ask(request)
        if monotonic_s() >= self.deadline_s:
            self.force()
        return None

    def ask(self, request: Json) -> Json:
        self.requested = True
        number, pids = deliver(members_of(self.run), int(signal.Signals[request["signal"]]))
        if not self.forced:
            self.deadline_s = monotonic_s() + float(request["grace_s"])
        return {
            "signal": request["signal"],
            "grace_s": request["grace_s"],
            "sent": signal.Signals(number).name,
            "pids": pids,
        }

    def force(self) -> None:
        number = signal.SIGKILL if self.forced else signal.SIGTERM
        self.forced = True
        with contextlib.suppress(OSError):  # before it happens, for whoever finds the trainer dead; a disk may be full
            write_json(self.run.path("forced.json"), {"signal": int(number)})
        send(sorted(members_of(self.run)), number)
        self.deadline_s = monotonic_s() + KILL_AFTER_S


def write_lost(run: Run) -> Json:
    """The exit record of a trainer whose agent has died. The caller holds the lock, which proves the trainer dead.

    When it ended is not known: the last instant at which it left a trace is taken.
    """
    agent = run.read("agent.json") or {}
    offset_s = float(agent.get("offset_s", 0.0))
    started_s = float(agent.get("started_s", 0.0))
    traces = [run.path(name) for name in ("trainer.log", "progress.jsonl", "telemetry.jsonl") if run.has(name)]
    forced = run.read("forced.json")
    reports = map(parse_progress, read_tail(run.path("progress.jsonl"), LINE_LIMIT).splitlines())
    record = {
        "generation": run.generation,
        "exit_code": None,
        "signal": forced["signal"] if forced else None,
        "stop_requested": run.has("stop.json"),
        "forced": forced is not None,
        "complete": ("complete", {}) in reports,
        "started_s": started_s,
        "ended_s": max([started_s] + [os.path.getmtime(path) + offset_s for path in traces]),
        "tail": (run.tail() + "\n[ga] agent lost: the trainer's exit code is not known").lstrip(),
    }
    write_json(run.path("exit.json"), record)
    return record


# ----------------------------------------------------------------------------------------------- supervision


class Supervisor:
    """The agent: from the start of one trainer to its exit record."""

    def __init__(self, run: Run, spec: Json, clock: Clock, lock: int, gpus: int) -> None:
        self.run, self.spec, self.clock, self.lock, self.gpus = run, spec, clock, lock, gpus
        self.sample_s = float(spec["sample_s"])
        self.telemetry = Telemetry(run.path("telemetry.jsonl"))
        self.progress = ProgressTail(run.path("progress.jsonl"))
        self.stop = StopSequence(run)
        self.meter = Meter(spec["power"], gpus, self.sample_s)
        self.newest: Optional[Json] = None
        self.reported_s = -math.inf
        self.phase = "train"
        self.saving = self.complete = False
        self.cpu_s = 0.0

    def environment(self) -> Dict[str, str]:
        environment = dict(os.environ, **self.spec.get("env", {}))
        lib = os.path.join(self.run.job_dir, "lib")
        paths = [lib, environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else [lib]
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
        if self.meter.gpu:
            self.meter.gpu.watch()
        while True:
            pid, status, usage = os.wait4(self.trainer.pid, os.WNOHANG)
            now_s = self.clock.now()
            if pid:
                self.trainer.returncode = status
                return self.finish(status, usage.ru_utime + usage.ru_stime, now_s)
            self.read_progress(now_s)
            asked = self.stop.step()
            phase = "checkpoint" if self.stop.requested or self.saving else "train"
            if phase != self.phase or now_s - self.sampled_s >= self.sample_s:
                self.sample(now_s)
                self.phase = phase
            if asked:
                self.telemetry.add(now_s, "stop", asked)
            self.telemetry.flush()
            time.sleep(TICK_S)

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
                self.complete = self.complete or kind == "complete"
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
        processes = members(self.run.folder, self.trainer.pid)
        total_cpu_s = waited_cpu_s + sum(process.cpu_s for process in processes.values())
        used_s = max(0.0, total_cpu_s - self.cpu_s)
        fields = {"t0": round(self.sampled_s, 6), "t1": round(now_s, 6), "phase": self.phase}
        try:
            fields.update(self.meter.take(duration_s, used_s))
        except (OSError, ValueError):  # a counter went away: this interval by the model, never no interval
            modelled_j = self.meter.site_model_j(duration_s, used_s)
            fields.update(energy_j=modelled_j, meter="model", modelled=True, gpu_percent=None)
        fields["cpu_percent"] = round(100.0 * used_s / duration_s, 1)
        fields["memory_bytes"] = sum(process.memory_bytes for process in processes.values())
        self.telemetry.add(now_s, "power", fields)
        self.sampled_s, self.cpu_s = now_s, max(self.cpu_s, total_cpu_s)

    def finish(self, status: int, cpu_s: float, now_s: float) -> None:
        self.read_progress(now_s, last=True)
        self.sample(now_s, cpu_s)
        kill_until_gone(lambda: members(self.run.folder, self.trainer.pid))
        record = {
            "generation": self.run.generation,
            "exit_code": None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status),
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "stop_requested": self.stop.requested,
            "forced": self.stop.forced,
            "complete": self.complete,
            "started_s": self.started_s,
            "ended_s": now_s,
            "tail": self.run.tail(),
        }
        self.telemetry.add(now_s, "exit", record)
        self.telemetry.sync()
        os.unlink(self.run.path("exit.reserve"))
        write_json(self.run.path("exit.json"), record)
        os.close(self.lock)


def daemonise(log_path: str, work: Callable[[Callable[[Json], None]], None]) -> Json:
    """Run `work` in a process that outlives the connection; returns what it reports through its argument."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        return json.loads(answer) if answer else {"ok": False, "error": "agent_failed", "detail": "see " + log_path}
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.close(reading)
        for descriptor, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, os.devnull, os.O_WRONLY),
            (2, log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        ):
            opened = os.open(path, flags, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.chdir("/")

        def report(answer: Json) -> None:
            with contextlib.suppress(BrokenPipeError):  # whoever asked may be gone: the work goes on
                os.write(writing, json.dumps(answer).encode())
            os.close(writing)

        work(report)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(0)


# ------------------------------------------------------------------------------------- verbs: trainer and agent


def recorded_generation(job_dir: str) -> int:
    try:
        with open(os.path.join(job_dir, "generation")) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def launch(job_dir: str, spec: Json) -> Json:
    clock = Clock(float(spec["epoch_s"]))
    gpus = count_gpus()
    run = Run(job_dir, int(spec["generation"]))
    lock = open_lock(job_dir)
    free = take_lock(lock, fcntl.LOCK_EX, patience_s=1.0)
    recorded = recorded_generation(job_dir)
    before = Run(job_dir, recorded)
    if free and before.has("agent.json") and not before.has("exit.json"):
        write_lost(before)
    if run.generation < recorded or run.has("exit.json"):
        return {"ok": False, "error": "stale_generation", "recorded": recorded}
    if not free:
        if run.generation == recorded and run.has("agent.json"):
            return {"ok": True, "already": True}
        return {"ok": False, "error": "locked", "recorded": recorded}
    os.makedirs(run.folder, exist_ok=True)
    write_atomic(os.path.join(job_dir, "generation"), b"%d\n" % run.generation)
    # The environment may hold secrets: it goes from hand to hand, never into a file.
    write_json(run.path("spec.json"), {key: value for key, value in spec.items() if key != "env"})

    def work(report: Callable[[Json], None]) -> None:
        try:
            supervisor = Supervisor(run, spec, clock, lock, gpus)
            supervisor.start()
        except OSError as problem:
            return report(failure("spawn_failed", problem))
        report({"ok": True, "already": False})
        supervisor.supervise()
        return None

    return daemonise(run.path("agent.log"), work)


def poll(job_dir: str, generation: int, after: int, limit: int) -> Json:
    run = Run(job_dir, generation)
    agent = run.read("agent.json")
    # In this order: what is read later is at least as new, and telemetry is whole before an exit record exists.
    alive, held, ended = is_alive(agent and agent["agent"]), lock_held(job_dir), run.read("exit.json")
    if agent and not alive and not held and ended is None:
        ended = record_lost(run)
    records, more = read_records(run.path("telemetry.jsonl"), after, limit)
    return {
        "ok": True,
        "generation": generation,
        "agent_alive": alive,
        "lock_held": held,
        "exit": ended,
        "last_seq": last_seq(run.path("telemetry.jsonl")),
        "records": records,
        "through": json.loads(records[-1])["seq"] if records else after,
        "more": more,
    }


def record_lost(run: Run) -> Optional[Json]:
    lock = open_lock(run.job_dir)
    try:
        if not take_lock(lock, fcntl.LOCK_EX):
            return None
        return run.read("exit.json") or write_lost(run)  # under the lock: the agent may just have written it
    finally:
        os.close(lock)


def stop(job_dir: str, generation: int, signal_name: str, grace_s: float) -> Json:
    run = Run(job_dir, generation)
    agent = run.read("agent.json")
    if signal_name not in signal.Signals.__members__:
        return {"ok": False, "error": "unknown_signal", "detail": signal_name}
    if agent is None:
        return {"ok": False, "error": "unknown_generation", "recorded": recorded_generation(job_dir)}
    if run.has("exit.json"):
        return {"ok": True, "ended": True}
    request = {"signal": signal_name, "grace_s": grace_s}
    if run.read("stop.json") != request:
        write_json(run.path("stop.json"), request)
    if is_alive(agent["agent"]) or is_alive(run.read("stopper.json")):
        return {"ok": True, "ended": False}
    return daemonise(run.path("agent.log"), lambda report: stop_without_agent(run, report))


def stop_without_agent(run: Run, report: Callable[[Json], None]) -> None:
    write_json(run.path("stopper.json"), identity(os.getpid()))
    report({"ok": True, "ended": False})
    trainer = (run.read("agent.json") or {}).get("trainer")
    sequence = StopSequence(run)
    lock = open_lock(run.job_dir)
    while not take_lock(lock, fcntl.LOCK_EX):
        sequence.step()
        if trainer and not is_alive(trainer):
            kill_until_gone(lambda: members_of(run))
        time.sleep(TICK_S)
    if not run.has("exit.json"):
        write_lost(run)


def end(job_dir: str) -> Json:
    """Kill all that runs for the job. Agents get the time to write what they know."""
    names = [os.path.basename(path) for path in glob.glob(os.path.join(glob.escape(job_dir), "gen", "*"))]
    runs = [Run(job_dir, int(name)) for name in names if name.isdigit()]
    living = [run for run in runs if not run.has("exit.json")]

    def trainers() -> Dict[int, Process]:
        found = members(job_dir)
        for run in living:
            found.update(members_of(run))
        return found

    left = kill_until_gone(trainers)
    supervisors = [
        known
        for run in living
        for known in ((run.read("agent.json") or {}).get("agent"), run.read("stopper.json"))
        if known
    ]
    until = time.monotonic() + 3.0
    while any(map(is_alive, supervisors)) and time.monotonic() < until:
        time.sleep(0.05)
    for known in supervisors:
        if is_alive(known):
            send([known["pid"]], signal.SIGKILL)
    return {"ok": False, "error": "still_running", "detail": "%d processes" % left} if left else {"ok": True}


def logs(job_dir: str, generation: int, offset: int, limit: int) -> Json:
    data = b""
    if os.path.exists(Run(job_dir, generation).path("trainer.log")):
        with open(Run(job_dir, generation).path("trainer.log"), "rb") as file:
            file.seek(offset)
            data = file.read(limit)
    return {"ok": True, "data": base64.b64encode(data).decode()}


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


# ------------------------------------------------------------------------------------------ verbs: checkpoints


def manifest_digest(files: List[Json]) -> str:
    """SHA-256 over the lines `path NUL size NUL sha256 LF`, in path order."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: str(file["path"])):
        digest.update(("%s\0%d\0%s\n" % (file["path"], file["size"], file["sha256"])).encode())
    return digest.hexdigest()


def manifest_problem(manifest: Optional[Json]) -> str:
    """Why it is none that can be trusted; empty when it can."""
    try:
        if manifest is None or manifest["format"] != 1:
            return "no manifest of format 1"
        for file in manifest["files"]:
            parts = file["path"].split("/")
            if file["path"].startswith("/") or ".." in parts or "" in parts or "\0" in file["path"]:
                return "path outside the checkpoint: %r" % file["path"]
        if int(manifest["step"]) < -1 or manifest_digest(manifest["files"]) != manifest["sha256"]:
            return "digest does not match the list of files"
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        return "malformed: %r" % problem
    return ""


def file_sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def bad_files(folder: str, manifest: Json, hashes: bool = True) -> List[str]:
    """Paths of the manifest that are missing, or whose size or (if asked) SHA-256 differs."""
    bad = []
    for file in manifest["files"]:
        path = os.path.join(folder, file["path"])
        good = os.path.isfile(path) and os.path.getsize(path) == file["size"]
        if not good or (hashes and file_sha256(path) != file["sha256"]):
            bad.append(file["path"])
    return bad


def checkpoint_folder(job_dir: str) -> str:
    noted = read_json(os.path.join(job_dir, "job.json")) or {}
    return os.path.realpath(os.path.join(job_dir, str(noted.get("checkpoint_dir", "checkpoints"))))


def complete_manifests(folder: str) -> Dict[str, Json]:
    found = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        manifest = read_json(os.path.join(path, "manifest.json")) if NAME.match(name) else None
        if manifest and not manifest_problem(manifest) and not bad_files(path, manifest, hashes=False):
            found[name] = manifest
    return found


def seal(job_dir: str) -> Optional[Json]:
    """The manifest of the whole folder as it is now. A file is hashed again only when its size or time has changed."""
    folder, note = checkpoint_folder(job_dir), os.path.join(job_dir, "whole.json")
    noted = read_json(note) or {"manifest": {"files": []}, "mtimes": {}}
    known = {(f["path"], f["size"], noted["mtimes"].get(f["path"])): f["sha256"] for f in noted["manifest"]["files"]}
    files, mtimes = [], {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_temporary(name)]
        for name in names:
            path = os.path.join(parent, name)
            if is_temporary(name) or not os.path.isfile(path):
                continue
            relative, status = os.path.relpath(path, folder), os.stat(path)
            sha256 = known.get((relative, status.st_size, status.st_mtime_ns)) or file_sha256(path)
            files.append({"path": relative, "size": status.st_size, "sha256": sha256})
            mtimes[relative] = status.st_mtime_ns
    if not files:
        return None
    manifest = {"format": 1, "step": -1, "files": files, "sha256": manifest_digest(files)}
    write_json(note, {"manifest": manifest, "mtimes": mtimes})
    return manifest


def is_temporary(name: str) -> bool:
    return name.startswith((".tmp-", ".incoming-", ".old-", ".damaged-", PARTIAL))


def checkpoints(job_dir: str) -> Json:
    found = complete_manifests(checkpoint_folder(job_dir))
    if not found:
        lock = open_lock(job_dir)
        try:
            # A shared lock keeps a trainer from starting, and does not look like one.
            sealed = seal(job_dir) if take_lock(lock, fcntl.LOCK_SH) else None
        finally:
            os.close(lock)
        found = {WHOLE: sealed} if sealed else {}
    listed = [
        {
            "name": name,
            "step": manifest["step"],
            "sha256": manifest["sha256"],
            "size_bytes": sum(file["size"] for file in manifest["files"]),
            "files": len(manifest["files"]),
        }
        for name, manifest in found.items()
    ]
    return {"ok": True, "checkpoints": sorted(listed, key=lambda one: (one["step"], one["name"]), reverse=True)}


def find_manifest(job_dir: str, name: str) -> Tuple[str, Optional[Json]]:
    folder = checkpoint_folder(job_dir)
    if name == WHOLE:
        return folder, (read_json(os.path.join(job_dir, "whole.json")) or {}).get("manifest")
    path = os.path.join(folder, name)
    return path, read_json(os.path.join(path, "manifest.json")) if NAME.match(name) else None


def show_manifest(job_dir: str, name: str) -> Json:
    folder, manifest = find_manifest(job_dir, name)
    problem = manifest_problem(manifest)
    if problem:
        return {"ok": False, "error": "invalid", "detail": problem}
    return {"ok": True, "folder": folder, "manifest": manifest}


def verify(job_dir: str, name: str) -> Json:
    shown = show_manifest(job_dir, name)
    bad = bad_files(shown["folder"], shown["manifest"]) if shown["ok"] else []
    return {"ok": False, "error": "mismatch", "bad": bad} if bad else shown


def incoming_folder(job_dir: str, name: str) -> str:
    return os.path.join(checkpoint_folder(job_dir), ".incoming-" + name)


def receive(job_dir: str, name: str, manifest: Json) -> Json:
    """Make ready for a copy: says where to, or that the same checkpoint is there already."""
    problem = manifest_problem(manifest) or ("" if NAME.match(name) else "bad name")
    if problem:
        return {"ok": False, "error": "invalid", "detail": problem}
    if name == WHOLE and not complete_manifests(checkpoint_folder(job_dir)):
        seal(job_dir)
    here = verify(job_dir, name)
    if here["ok"] and here["manifest"]["sha256"] == manifest["sha256"]:
        supersede(job_dir, name, manifest["step"])
        return {"ok": True, "present": True}
    folder = incoming_folder(job_dir, name)
    os.makedirs(folder, exist_ok=True)
    for other in os.listdir(os.path.dirname(folder)):
        if other.startswith(".incoming-") and other != os.path.basename(folder):
            shutil.rmtree(os.path.join(os.path.dirname(folder), other), ignore_errors=True)
    arrived = sum(file["size"] for file in manifest["files"] if os.path.exists(os.path.join(folder, file["path"])))
    needed = sum(file["size"] for file in manifest["files"]) - arrived
    free = shutil.disk_usage(folder).free
    if free < needed:
        return {"ok": False, "error": "disk_full", "free_bytes": free, "needed_bytes": needed, "folder": folder}
    return {"ok": True, "present": False, "folder": folder}


def accept(job_dir: str, name: str, manifest: Json) -> Json:
    """Verify what was copied and put it in its place. Files that differ are removed, to be copied again."""
    incoming, folder = incoming_folder(job_dir, name), checkpoint_folder(job_dir)
    bad = bad_files(incoming, manifest)
    if bad:
        for path in bad:
            if os.path.isfile(os.path.join(incoming, path)):
                os.unlink(os.path.join(incoming, path))
        return {"ok": False, "error": "mismatch", "bad": bad}
    for file in manifest["files"]:
        sync_path(os.path.join(incoming, file["path"]))
    old = os.path.join(folder, ".old-" + name)
    shutil.rmtree(old, ignore_errors=True)
    if name == WHOLE:
        os.makedirs(old)
        move_entries(folder, old)
        move_entries(incoming, folder)
        shutil.rmtree(incoming)
    else:
        shutil.rmtree(os.path.join(incoming, PARTIAL), ignore_errors=True)
        write_json(os.path.join(incoming, "manifest.json"), manifest)
        if os.path.exists(os.path.join(folder, name)):
            os.rename(os.path.join(folder, name), old)
        os.rename(incoming, os.path.join(folder, name))
    sync_path(folder)
    shutil.rmtree(old, ignore_errors=True)
    supersede(job_dir, name, manifest["step"])
    return {"ok": True}


def move_entries(source: str, target: str) -> None:
    for entry in os.listdir(source):
        if not is_temporary(entry):
            os.rename(os.path.join(source, entry), os.path.join(target, entry))


def supersede(job_dir: str, name: str, step: int) -> None:
    """Put newer checkpoints aside: they are of a generation that was given up, and a script resumes from the newest."""
    folder, aside = checkpoint_folder(job_dir), os.path.join(job_dir, "superseded")
    for other, manifest in complete_manifests(folder).items():
        if other != name and manifest["step"] > step:
            os.makedirs(aside, exist_ok=True)
            shutil.rmtree(os.path.join(aside, other), ignore_errors=True)
            shutil.move(os.path.join(folder, other), os.path.join(aside, other))


# -------------------------------------------------------------------------------------------------- command line


def failure(error: str, problem: BaseException) -> Json:
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        error = "disk_full"
    return {"ok": False, "error": error, "detail": str(problem)}


def answer(arguments: argparse.Namespace) -> Json:
    job_dir = os.path.abspath(arguments.job_dir)
    verb, generation, name = arguments.verb, arguments.generation, arguments.name
    given = json.load(sys.stdin) if verb in ("launch", "setup", "receive", "accept") else {}
    verbs: Dict[str, Callable[[], Json]] = {
        "launch": lambda: launch(job_dir, given),
        "poll": lambda: poll(job_dir, generation, arguments.after, arguments.limit),
        "stop": lambda: stop(job_dir, generation, arguments.signal, arguments.grace_s),
        "logs": lambda: logs(job_dir, generation, arguments.offset, arguments.limit),
        "end": lambda: end(job_dir),
        "setup": lambda: setup(job_dir, given),
        "checkpoints": lambda: checkpoints(job_dir),
        "manifest": lambda: show_manifest(job_dir, name),
        "verify": lambda: verify(job_dir, name),
        "receive": lambda: receive(job_dir, name, given),
        "accept": lambda: accept(job_dir, name, given),
    }
    return verbs[verb]()


def main(argv: List[str]) -> int:
    parser = argparse.ArgumentParser(description="Supervises a job's trainer on this machine.")
    parser.add_argument("verb")
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--job-dir", required=True)
    parser.add_argument("--generation", type=int, default=0)
    parser.add_argument("--after", type=int, default=0)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--limit", type=int, default=1 << 20)
    parser.add_argument("--signal", default="SIGUSR1")
    parser.add_argument("--grace-s", type=float, default=60.0)
    try:
        result = answer(parser.parse_args(argv))
    except Exception as problem:
        traceback.print_exc()
        result = failure("failed", problem)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
