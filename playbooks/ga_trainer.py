"""The training script's side of `ga`: restore, report, save, and stop when asked.

One file, standard library only, Python 3.8 and later, POSIX. `ga` puts it on the trainer's path; without `ga` it works
too and keeps its checkpoints in `./checkpoints`. docs/trainer.md has a complete example.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib
import json
import logging
import math
import operator
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NoReturn, Optional, Tuple

STOPPED = 75  # exit code of Run.stop: saved and left because somebody asked (EX_TEMPFAIL, “try again later”)
MANIFEST = "manifest.json"
_NAME = re.compile(r"step-[0-9]{9}")
_log = logging.getLogger("ga_trainer")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint whose files match its manifest. sha256: equal content has an equal digest."""

    step: int
    path: Path
    sha256: str


class Run:
    """One training run: its checkpoints, its progress, and the request to stop.

    Create it first, in the main thread: from then on the stop signal (GA_STOP_SIGNAL, SIGUSR1 by default) and SIGTERM
    only set a flag. keep: how many checkpoints stay after a save, >= 1. Of several processes only rank 0 writes.
    """

    def __init__(self, *, keep: int = 3) -> None:
        if keep < 1:
            raise ValueError(f"keep must be 1 or more, found {keep}")
        self._keep = keep
        self.folder = Path(os.environ.get("GA_CHECKPOINT_DIR") or "checkpoints").absolute()
        self.is_writer = _is_rank_zero(os.environ)
        self._stop = False
        self._progress = Progress(os.environ.get("GA_PROGRESS_FILE") if self.is_writer else None)
        atexit.register(self._progress.flush)
        self._signals = {signal.Signals[os.environ.get("GA_STOP_SIGNAL", "SIGUSR1")], signal.SIGTERM}
        self._on_signals(self._asked)

    def _on_signals(self, handler: Any) -> None:
        try:
            for number in self._signals:
                signal.signal(number, handler)
        except ValueError:  # Python takes signals in the main thread only
            _log.warning("Run is used outside the main thread: it cannot see requests to stop")

    def _asked(self, _number: int, _frame: object) -> None:
        self._stop = True

    def should_stop(self) -> bool:
        """True once this process was asked to save and leave. See `agree_to_stop` for several processes."""
        return self._stop

    def stop(self) -> NoReturn:
        """Leave with exit code 75; call it after a save, when `should_stop` says so."""
        sys.exit(STOPPED)

    def complete(self) -> None:
        """Say that the training is finished and need not be started again; requests to stop are ignored from now on."""
        self._progress.write(kind="complete")
        self._on_signals(signal.SIG_IGN)

    def report(self, *, step: int, total_steps: Optional[int] = None, loss: Any = None, **metrics: Any) -> None:
        """Tell the progress after `step` finished optimizer steps; cheap enough for every step.

        At most about ten reports a second are written, the first and the last always. Values may be anything that
        `float` takes; they are converted only when written, so a throttled report does not wait for a GPU.
        """
        self._progress.report(step, total_steps, loss, metrics)

    def restore(self) -> Optional[Checkpoint]:
        """The newest checkpoint that verifies, or None. One that does not is reported and set aside."""
        if self.is_writer:
            self._clean_up()
        for folder in sorted(self._sealed(), reverse=True):
            try:
                return verify(folder)
            except (ValueError, OSError) as problem:
                _log.warning("checkpoint %s cannot be used, trying the one before: %s", folder, problem)
                if self.is_writer and isinstance(problem, ValueError):
                    os.rename(folder, folder.with_name(f".tmp-{folder.name}-damaged"))  # removed by a later save
        return None

    @contextlib.contextmanager
    def save(self, step: int) -> Iterator[Path]:
        """`with run.save(step) as folder:` plain files written into `folder` become a checkpoint, or nothing does.

        The folder appears under its name only after every byte is on disk. Saving a step again replaces it. One save at
        a time. Raises what the body raises, OSError (disk full), ValueError (no files, links, step not 0..999999999).
        """
        if not self.is_writer:
            raise RuntimeError("only rank 0 saves: write `if run.is_writer:` before `with run.save(step)`")
        step, name = operator.index(step), _name(step)
        self._clean_up()
        self._progress.write(kind="save_begin")
        started = time.monotonic()
        try:
            temporary, final = self.folder / f".tmp-{name}", self.folder / name
            temporary.mkdir(parents=True)
            yield temporary
            size = seal(temporary, step)
            if final.exists():
                os.rename(final, self.folder / f".old-{name}")
            os.rename(temporary, final)
            _sync(self.folder)
        except BaseException:
            self._clean_up()
            raise
        took_s = round(time.monotonic() - started, 3)
        self._progress.write(kind="saved", name=name, step=step, bytes=size, duration_s=took_s)
        # Later steps belong to a line of history that this run has not reached: they are not ours to count or remove.
        for folder in sorted(folder for folder in self._sealed() if folder.name <= name)[: -self._keep]:
            os.rename(folder, self.folder / f".tmp-{folder.name}")  # half removed it must not look like a checkpoint
        self._clean_up()

    def _clean_up(self) -> None:
        """Put back what a save that never ended was about to replace, then remove whatever is unfinished."""
        for old in self.folder.glob(".old-step-*"):
            final = self.folder / old.name[len(".old-") :]
            if not final.exists():
                os.rename(old, final)
        for leftover in (*self.folder.glob(".old-step-*"), *self.folder.glob(".tmp-step-*")):
            shutil.rmtree(leftover, ignore_errors=True)

    def _sealed(self) -> List[Path]:
        named = (path for path in self.folder.glob("step-*") if _NAME.fullmatch(path.name))
        return [path for path in named if (path / MANIFEST).is_file()]


class Progress:
    """JSON lines for `ga`, throttled; silent without a file. Trouble with the file is told once and never raised."""

    def __init__(self, file: Optional[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._written_at = -math.inf
        self._pending: Optional[Tuple[Any, ...]] = None
        self._torn = False
        self._warned = False

    def report(self, step: int, total: Optional[int], loss: Any, metrics: Mapping[str, Any]) -> None:
        now = self._clock()
        self._pending = (step, total, loss, metrics)
        if now - self._written_at >= 0.1 or (total is not None and step >= total):
            self._written_at = now
            self.flush()

    def flush(self) -> None:
        """Write the report that throttling held back, if any."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._append(lambda: _progress_line(*pending))

    def write(self, **line: Any) -> None:
        """Write `line` at once, after what was held back."""
        self.flush()
        self._append(lambda: line)

    def _append(self, make: Callable[[], Dict[str, Any]]) -> None:
        if self._file is None:
            return
        try:
            # A line that a full disk cut short is ended first, so that it spoils no later one.
            data = b"\n" * self._torn + json.dumps(make()).encode() + b"\n"
            with open(self._file, "ab", buffering=0) as file:
                self._torn = file.write(data) < len(data)
        except (OSError, TypeError, ValueError, ArithmeticError) as problem:
            if not self._warned:
                _log.warning("progress cannot be written to %s, training goes on: %s", self._file, problem)
            self._warned = True


def _progress_line(step: int, total: Optional[int], loss: Any, metrics: Mapping[str, Any]) -> Dict[str, Any]:
    numbers = {name: float(value) for name, value in (("loss", loss), *metrics.items()) if value is not None}
    finite = {name: value for name, value in numbers.items() if math.isfinite(value)}  # JSON knows no other
    whole = None if total is None else int(total)
    return {"kind": "progress", "step": int(step), "total": whole, "loss": finite.pop("loss", None), "metrics": finite}


def digest(files: Iterable[Tuple[str, int, str]]) -> str:
    """SHA-256 over the lines `path NUL size NUL sha256 LF` in path order: what identifies a checkpoint's content."""
    lines = (f"{path}\0{size}\0{sha256}\n" for path, size, sha256 in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def seal(folder: Path, step: int) -> int:
    """Hash every file in `folder`, write its manifest, and bring all of it to disk. Returns the files' bytes."""
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"a checkpoint holds plain files only, found {path}")
        if path.is_file():
            files.append((path.relative_to(folder).as_posix(), path.stat().st_size, _sha256(path)))
        _sync(path)
    if not files:
        raise ValueError(f"nothing was written into {folder}: an empty checkpoint cannot be resumed")
    if (folder / MANIFEST).exists():
        raise ValueError(f"{MANIFEST} is the checkpoint's own file, found one written into {folder}")
    manifest = {
        "format": 1,
        "step": step,
        "files": [{"path": path, "size": size, "sha256": sha256} for path, size, sha256 in sorted(files)],
        "sha256": digest(files),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    _sync(folder / MANIFEST)
    _sync(folder)
    return sum(size for _, size, _ in files)


def verify(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`, read in full and compared with its manifest. ValueError when they differ, OSError."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes().decode("utf-8"))
        version, name, claimed = manifest["format"], _name(manifest["step"]), manifest["sha256"]
        files = [(str(entry["path"]), int(entry["size"]), str(entry["sha256"])) for entry in manifest["files"]]
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(f"{MANIFEST} is not a manifest: {problem!r}") from problem
    if version != 1 or name != folder.name or not files or digest(files) != claimed:
        raise ValueError(f"{MANIFEST} (format {version!r}, {name}) contradicts itself or the folder's name")
    for relative, size, sha256 in files:
        path = folder / relative
        if relative.startswith("/") or ".." in path.parts or path.is_symlink() or not path.is_file():
            raise ValueError(f"{relative} is not a file of this checkpoint")
        if path.stat().st_size != size or _sha256(path) != sha256:
            raise ValueError(f"{relative} is not what was saved: expected {size} bytes with SHA-256 {sha256}")
    return Checkpoint(manifest["step"], folder, claimed)


def _name(step: int) -> str:
    if not 0 <= operator.index(step) <= 999999999:
        raise ValueError(f"a step is a whole number from 0 to 999999999, found {step!r}")
    return f"step-{step:09d}"


def _sha256(path: Path) -> str:
    result = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            result.update(block)
    return result.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_rank_zero(environment: Mapping[str, str]) -> bool:
    if "RANK" in environment:  # of all nodes' processes, as torchrun sets it
        return environment["RANK"] == "0"
    return environment.get("GA_NODE_RANK", "0") == "0" and environment.get("LOCAL_RANK", "0") == "0"


class TorchState:
    """What an exact resume of a PyTorch script needs, in one file: the parts' states and every global generator's.

    parts: whatever has `state_dict` and `load_state_dict` (model, optimizer, scheduler, scaler, data order), or a
    `torch.Generator`. Equal states give equal bytes. States hold tensors and plain values only, because they are read
    back without running code from the file.
    """

    def __init__(self, **parts: Any) -> None:
        self._parts = parts

    def save(self, folder: Path) -> None:
        """Write `state.pt` into a checkpoint's folder."""
        torch = importlib.import_module("torch")
        generators = {
            "python": random.getstate(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        }
        if numpy := sys.modules.get("numpy"):  # a script that never imported it has not used its generator
            kind, keys, *rest = numpy.random.get_state()
            generators["numpy"] = (kind, keys.tolist(), *rest)
        parts = {name: _of(part, "state_dict", "get_state")() for name, part in self._parts.items()}
        torch.save(_canonical({"parts": parts, "generators": generators}), folder / "state.pt")
        # What cannot be read back must fail now, not after a move.
        torch.load(folder / "state.pt", map_location="cpu", weights_only=True, mmap=True)

    def load(self, folder: Path) -> None:
        """Put everything back; call it after all parts are made and on their devices. ValueError: other parts."""
        torch = importlib.import_module("torch")
        state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
        if set(state["parts"]) != set(self._parts):
            raise ValueError(f"{folder} holds {sorted(state['parts'])}, expected {sorted(self._parts)}")
        for name, part in self._parts.items():
            _of(part, "load_state_dict", "set_state")(state["parts"][name])
        generators = state["generators"]
        random.setstate(generators["python"])
        torch.set_rng_state(generators["torch"])
        if "numpy" in generators:
            importlib.import_module("numpy").random.set_state(generators["numpy"])
        for device, saved in enumerate(generators["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(saved, device)


def _of(part: Any, *names: str) -> Any:
    return next(getattr(part, name) for name in names if hasattr(part, name))


def _canonical(value: Any) -> Any:
    """An equal value that pickles to the same bytes whether it was computed or loaded: equal strings are one object."""
    if type(value) is str:
        return sys.intern(value)
    if type(value) in (list, tuple):
        return type(value)(_canonical(item) for item in value)
    if type(value) in (dict, OrderedDict):
        rebuilt = type(value)((_canonical(key), _canonical(item)) for key, item in value.items())
        for name, item in getattr(value, "__dict__", {}).items():  # a module's state carries its format's versions so
            setattr(rebuilt, name, _canonical(item))
        return rebuilt
    return value


def agree_to_stop(run: Run) -> bool:
    """Whether any process of the torch.distributed group should stop; every process calls it after the same step."""
    torch = importlib.import_module("torch")
    group = importlib.import_module("torch.distributed")
    if not (group.is_available() and group.is_initialized()):
        return run.should_stop()
    device = "cuda" if group.get_backend() == "nccl" else "cpu"
    asked = torch.tensor(int(run.should_stop()), device=device)
    group.all_reduce(asked, op=group.ReduceOp.MAX)
    return bool(asked.item())


def lightning_callback(run: Run, *, every: int) -> Any:
    """A Lightning callback that reports each optimizer step, saves `lightning.ckpt` each `every` steps, and stops."""
    # The class must come from the package that the script itself uses.
    used = "pytorch_lightning" if "pytorch_lightning" in sys.modules else "lightning.pytorch"
    lightning = importlib.import_module(used)

    class Callback(lightning.Callback):  # type: ignore[misc, name-defined]
        def on_train_start(self, trainer: Any, module: Any) -> None:
            self.step = trainer.global_step
            total = trainer.estimated_stepping_batches
            self.total = total if math.isfinite(total) else None

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
            if trainer.global_step == self.step:  # a batch of an accumulated gradient
                return
            self.step = trainer.global_step
            loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
            run.report(step=self.step, total_steps=self.total, loss=loss)
            stop = trainer.strategy.reduce_boolean_decision(run.should_stop(), all=False)
            if stop or self.step % every == 0:
                # Every rank takes part in save_checkpoint; only rank 0 writes.
                with run.save(self.step) if run.is_writer else contextlib.nullcontext(run.folder) as folder:
                    trainer.save_checkpoint(folder / "lightning.ckpt")
            trainer.should_stop = trainer.should_stop or stop

    return Callback()


def transformers_callback(run: Run) -> Any:
    """A Hugging Face Trainer callback that reports, turns each of the Trainer's saves into a checkpoint, and stops."""
    transformers = importlib.import_module("transformers")

    class Callback(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            loss = next((entry["loss"] for entry in reversed(state.log_history) if "loss" in entry), None)
            run.report(step=state.global_step, total_steps=state.max_steps, loss=loss)
            if agree_to_stop(run):
                control.should_save = control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if run.is_writer:
                saved = Path(args.output_dir) / f"checkpoint-{state.global_step}"
                with run.save(state.global_step) as folder:
                    shutil.copytree(saved, folder, dirs_exist_ok=True)

    return Callback()
