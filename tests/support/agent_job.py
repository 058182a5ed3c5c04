"""One job's folder with a real agent, as a controller would call it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from ga_playbooks.bundle import agent_zip

SCRIPTS = Path(__file__).parents[1] / "data" / "agent"
PATIENCE_S = 30.0
Json = dict[str, Any]


class Job:
    """One job's folder, and the agent's verbs as a controller would call them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "GA_METER": "model"}
        shutil.copytree(SCRIPTS, folder / "work", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "work" / "sub").mkdir()
        self.agent = folder / "agent.pyz"
        self.agent.write_bytes(agent_zip())

    def call(self, verb: str, *arguments: str, stdin: Json | None = None) -> Json:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(self.agent), verb, "--job-dir", str(self.folder), *arguments],
            input=json.dumps(stdin).encode(),
            stdout=subprocess.PIPE,
            env=self.environment,
            check=True,
            timeout=PATIENCE_S,
        )
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        return answer

    def spec(self, command: str, generation: int = 1, **changes: Any) -> Json:
        spec = {
            "job": "job-1",
            "generation": generation,
            "site": "here",
            "command": command.replace("python3", sys.executable),
            "env": {"MINE": "yes"},
            "work_dir": "work",
            "checkpoint_dir": "checkpoints",
            "signal": "SIGUSR1",
            "grace_s": 5,
            "sample_s": 0.2,
            "power": {"idle_w": 100.0, "busy_w": 300.0},
            "epoch_s": time.time(),
        }
        return {**spec, **changes}

    def launch(self, command: str, generation: int = 1, **changes: Any) -> Json:
        return self.call("launch", stdin=self.spec(command, generation, **changes))

    def poll(self, generation: int = 1, after: int = 0, heard_s: float | None = None) -> Json:
        heard = [] if heard_s is None else ["--heard-s", repr(heard_s)]
        answer = self.call("poll", "--generation", str(generation), "--after", str(after), *heard)
        answer["records"] = [json.loads(record) for record in answer["records"]]
        return answer

    def stop(self, generation: int = 1, grace_s: float = 10.0) -> Json:
        return self.call("stop", "--generation", str(generation), "--signal", "SIGUSR1", "--grace-s", str(grace_s))

    def wait(self, until: Callable[[Json], object], generation: int = 1) -> Json:
        deadline = time.monotonic() + PATIENCE_S
        while not until(answer := self.poll(generation)):
            assert time.monotonic() < deadline, f"did not happen in {PATIENCE_S} s; last answer: {answer}"
            time.sleep(0.05)
        return answer

    def wait_exit(self, generation: int = 1) -> Json:
        answer = self.wait(lambda answer: answer["exit"] and not answer["lock_held"], generation)
        ended = answer["exit"]
        assert isinstance(ended, dict)
        return ended

    def wait_trains(self, generation: int = 1) -> None:
        self.wait(lambda answer: of_kind(answer, "progress"), generation)

    def pid(self, whose: str, generation: int = 1) -> int:
        noted = json.loads((self.folder / "gen" / str(generation) / "agent.json").read_text())
        return int(noted[whose]["pid"])

    def kill(self, whose: str) -> None:
        process = psutil.Process(self.pid(whose))
        if whose == "trainer":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)

    def processes(self) -> list[psutil.Process]:
        """Whatever still belongs to the job: by folder, environment or command line."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [process.cwd(), *process.cmdline(), process.environ().get("GA_RUN_DIR", "")]
                if process.status() != psutil.STATUS_ZOMBIE and any(str(self.folder) in word for word in words):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def end(self) -> None:
        """Nothing may be left over, whatever has happened."""
        assert self.call("end") == {"ok": True}
        deadline = time.monotonic() + PATIENCE_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.processes() == []


def of_kind(answer: Json, kind: str) -> list[Json]:
    """The records of a poll that are of one kind."""
    return [record for record in answer["records"] if record["kind"] == kind]
