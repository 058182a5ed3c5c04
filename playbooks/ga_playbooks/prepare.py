"""Prepare: prove the machine usable, bring agent, helper and work folder up to date, run the set-up steps.

On a machine that is ready this costs one command and one rsync that finds nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path, PurePosixPath

from ga_playbooks.agent.nvml import BINDING
from ga_playbooks.ask import ask, parse_answer
from ga_playbooks.bundle import agent_zip, helper_source, nvml_binding_source
from ga_playbooks.layout import JobFolder, checkpoint_folder
from ga_playbooks.messages import Done, Message
from gacli.errors import CommandFailed, DiskFull, GaError
from gacli.ports.host import CopyProgress, Host
from gacli.ports.machine import OnStep, StepProgress, WorkSpec

SETUP_STEP_TIMEOUT_S = 2 * 3600.0
"""Installing large packages over a slow line takes its time."""

_NO_PYTHON, _NO_RSYNC = 61, 62

_CHECK = f"""
command -v python3 >/dev/null || exit {_NO_PYTHON}
command -v rsync >/dev/null || exit {_NO_RSYNC}
exec python3 -I -c "$@"
"""

_FACTS = """
import hashlib, json, os, shutil, sys

facts = {"ok": True, "python": list(sys.version_info[:2]), "platform": sys.platform}
job, checkpoints, binding = sys.argv[1:]

def sha256(path):
    try:
        with open(os.path.join(job, path), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""

def load(path):
    try:
        with open(os.path.join(job, path)) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}

if facts["python"] >= [3, 8] and sys.platform.startswith("linux"):
    for folder in ("work", "lib", "gen", checkpoints):
        os.makedirs(os.path.join(job, folder), exist_ok=True)
    os.chmod(job, 0o700)
    if load("job.json").get("checkpoint_dir") != checkpoints:
        with open(os.path.join(job, "job.json"), "w") as file:
            json.dump({"checkpoint_dir": checkpoints}, file)
    facts.update(
        free_bytes=shutil.disk_usage(job).free,
        agent=sha256("agent.pyz"),
        helper=sha256("lib/ga_trainer.py"),
        nvidia=os.environ.get("GA_METER") != "model"
        and (os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi") is not None),
        nvml_binding=sha256(binding),
        setup=load("setup.done"),
    )
print(json.dumps(facts))
"""

# Written whole under another name first: an agent may be started from the file at any moment. A connection that was cut
# looks like the content's end, so its size is looked at.
_PUT = 'cat > "$1.new" && [ "$(wc -c < "$1.new")" -eq "$2" ] && mv "$1.new" "$1"'


class SetupDone(Message):
    key: str = ""
    completed: int = 0


class Facts(Message):
    python: tuple[int, int]
    platform: str
    free_bytes: int = 0
    agent: str = ""
    helper: str = ""
    nvidia: bool = False
    nvml_binding: str = ""
    setup: SetupDone = SetupDone()


def prepare(host: Host, work: WorkSpec, on_step: OnStep) -> None:
    """Everything that a start needs. Raises GaError naming what is missing there, DiskFull, CommandFailed."""
    job = JobFolder(work.job_id)
    on_step(StepProgress(what="checking", detail=host.label))
    facts = check_machine(host, job, work)
    put_file(host, job.agent, agent_zip(), facts.agent)
    put_file(host, job.helper, helper_source(), facts.helper)
    if facts.nvidia:
        put_file(host, job.nvml_binding, nvml_binding_source(), facts.nvml_binding)
    push_work(host, job, work, on_step)
    run_setup(host, job, work, facts.setup, on_step)


def check_machine(host: Host, job: JobFolder, work: WorkSpec) -> Facts:
    """What the machine is and has; its folders are made on the way."""
    argv = ["sh", "-c", _CHECK, "sh", _FACTS, job.path, checkpoint_folder(work), f"lib/{BINDING}"]
    done = host.run(argv)
    if done.exit_code in (_NO_PYTHON, _NO_RSYNC):
        program = "python3" if done.exit_code == _NO_PYTHON else "rsync"
        raise GaError(
            f"{host.label}: expected the program {program} on the PATH, found none",
            hint=f"Install it there: `sudo apt-get install {program}` or `sudo dnf install {program}`.",
        )
    if done.exit_code != 0:
        raise CommandFailed(
            command="python3 (checking the machine)",
            host=host.label,
            exit_code=done.exit_code,
            stdout=done.stdout.decode(errors="replace"),
            stderr=done.stderr.decode(errors="replace"),
        )
    facts = parse_answer(done.stdout, where=f"{host.label}: checking the machine", expect=Facts)
    if facts.python < (3, 8):
        found = ".".join(map(str, facts.python))
        raise GaError(
            f"{host.label}: expected python3 3.8 or newer, found {found}",
            hint="Install a newer Python there and make it the first python3 on the PATH.",
        )
    if not facts.platform.startswith("linux"):
        raise GaError(f"{host.label}: expected Linux, found {facts.platform}", hint="Take another host.")
    if facts.free_bytes < work.min_free_bytes:
        raise DiskFull(
            f"{host.label}: expected {_size(work.min_free_bytes)} of free space, found {_size(facts.free_bytes)}",
            hint="Free some space there, or take a site with a larger disk.",
        )
    return facts


def put_file(host: Host, path: str, content: bytes, present: str) -> None:
    """Send a travelling file when the one there has another content. present: the SHA-256 of that one."""
    if hashlib.sha256(content).hexdigest() == present:
        return
    done = host.run(["sh", "-c", _PUT, "sh", path, str(len(content))], stdin=content)
    if done.exit_code != 0:
        stderr = done.stderr.decode(errors="replace")
        raise CommandFailed(command=f"cat > {path}", host=host.label, exit_code=done.exit_code, stderr=stderr)


def push_work(host: Host, job: JobFolder, work: WorkSpec, on_step: OnStep) -> None:
    """Bring the work folder up to date; what scripts have written into it there stays."""
    if not work.work_folder.is_dir():
        raise GaError(f"work folder: expected a folder, found none at {work.work_folder}")
    exclude = list(work.exclude)
    if work.checkpoint_path is not None:
        # What an earlier run left there on this side must not land among the job's own checkpoints.
        exclude.append(f"/{PurePosixPath(work.checkpoint_path)}/")

    def on_copy(copy: CopyProgress) -> None:
        on_step(copy_step("copying work folder", copy))

    on_step(StepProgress(what="copying work folder"))
    host.push(work.work_folder, job.work, exclude=exclude, on_copy=on_copy)


def run_setup(host: Host, job: JobFolder, work: WorkSpec, done: SetupDone, on_step: OnStep) -> None:
    """Run the steps that were not completed with the same steps, environment and inputs."""
    key = setup_key(work)
    for index in range(done.completed if done.key == key else 0, len(work.setup)):
        step = work.setup[index]
        on_step(StepProgress(what="setting up", detail=step, done=index, total=len(work.setup), unit="steps"))
        ask(
            host,
            job,
            "setup",
            expect=Done,
            stdin={"steps": list(work.setup), "env": {**work.env, **work.secrets}, "key": key, "index": index},
            timeout_s=SETUP_STEP_TIMEOUT_S,
            what=f"set-up step {index + 1} of {len(work.setup)} (`{step}`)",
        )


def setup_key(work: WorkSpec) -> str:
    """Equal as long as the steps, the environment and the files that the steps name are the same."""
    inputs: dict[str, str] = {}
    for step in work.setup:
        for word in _words(step):
            path = work.work_folder / word
            if not Path(word).is_absolute() and path.is_file():
                inputs[word] = hashlib.sha256(path.read_bytes()).hexdigest()
    described = json.dumps([work.setup, dict(work.env), inputs], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


def _words(step: str) -> list[str]:
    try:
        return shlex.split(step, comments=True)
    except ValueError:  # the shell may still understand it, or will say so
        return step.split()


def copy_step(what: str, copy: CopyProgress) -> StepProgress:
    """A copy's progress for people, in bytes."""
    return StepProgress(
        what=what,
        done=copy.bytes_done,
        total=copy.bytes_total,
        unit="bytes",
        rate=copy.rate_bytes_per_s,
    )


def _size(size_bytes: int) -> str:
    unit, name = (2**30, "GiB") if size_bytes >= 2**30 else (2**20, "MiB")
    return f"{size_bytes / unit:.1f} {name}"
