"""A job that is moved while the clock runs: its hosts, its moves and their parts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.bad import Ga, job, lab, mock
from support.bench_link import Link
from support.bench_trainer import SCRIPT, Heavy, Life
from support.sshd import Sshd
from support.waiting import wait_for

WITHIN_S = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One migration; its parts follow each other without a gap and make up the downtime. All in seconds.

    save: the script's own, after its last step. stop: until its end is known here, and what it left. key: until the
    first byte may go. copy: as long as an rsync runs. verify: on arrival, until it is recorded here. start: until the
    process is there. load: until its first step.
    """

    save_s: float
    stop_s: float
    key_s: float
    copy_s: float
    verify_s: float
    start_s: float
    load_s: float

    @property
    def parts_s(self) -> tuple[float, ...]:
        return (self.save_s, self.stop_s, self.key_s, self.copy_s, self.verify_s, self.start_s, self.load_s)

    @property
    def downtime_s(self) -> float:
        return sum(self.parts_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """save: the script's own. In seconds."""

    save_s: float
    downtime_s: float


class Job:
    """Trains on the host `oslo`; beside it are `rome`, and `kiel` with its long boot."""

    def __init__(self, ga: Ga, link: Link, heavy: Heavy) -> None:
        self._ga = ga
        self._link = link
        self._heavy = heavy
        self._generation = 1

    def move(self, site: str) -> Move:
        """`ga migrate`, and everything that follows it until the job trains undisturbed."""
        self._say("migrate", "job-1", site, "--wait")
        before, after = self._next()
        told = self._ga.events("placement")
        entered_s = {
            str(event.body["state"]): event.epoch_s
            for event in told
            if event.body["placement"] == told[-1].body["placement"]
        }
        copy = self._link.straight(after_s=entered_s["copying"])
        assert before.saved_s is not None
        return Move(
            save_s=before.save_s,
            stop_s=entered_s["copying"] - before.saved_s,
            key_s=copy.began_s - entered_s["copying"],
            copy_s=copy.ended_s - copy.began_s,
            verify_s=entered_s["verified"] - copy.ended_s,
            start_s=after.process_s - entered_s["verified"],
            load_s=after.load_s,
        )

    def pause_and_resume(self) -> Pause:
        """`ga pause`, and as soon as it is done `ga resume`, which boots another machine."""
        self._say("pause", "job-1", "--wait")
        self._say("resume", "job-1", "--detach")
        before, after = self._next()
        return Pause(save_s=before.save_s, downtime_s=after.first_step_s - before.last_step_s)

    def _say(self, *words: str) -> None:
        said = self._ga(*words, timeout_s=WITHIN_S)
        assert said.exit_code == 0, said

    def _next(self) -> tuple[Life, Life]:
        """The life that has ended, and the one that follows; the newest checkpoint is then safe here, too."""
        self._generation += 1
        after = wait_for(lambda: self._heavy.life(self._generation), "the first step", within_s=WITHIN_S)
        before = self._heavy.life(self._generation - 1)
        assert before is not None
        self._ga.await_copy(after=before.last_step - 1, within_s=WITHIN_S)
        return before, after


@contextmanager
def job_in(folder: Path, heavy: Heavy, link: Link, oslo: Sshd, rome: Sshd, *, boot_s: float) -> Iterator[Job]:
    """The job has made its first step; nothing of it runs afterwards. boot_s: of the machine at `kiel`."""
    ga = Ga(folder)
    try:
        shutil.copy(SCRIPT, ga.work)
        # By two names: one host is one machine, whatever its ports.
        sites = [lab(oslo, "oslo"), lab(rome, "rome", host="localhost"), mock("kiel", zone="FR", boot_delay_s=boot_s)]
        config = job(heavy.command, sites, checkpoint={"grace": "5m", "fetch": "1d"})
        # Real time, and samples as often as by default.
        del config["replay"], config["sample"]
        said = ga("run", "--detach", ga.write(config))
        assert said.exit_code == 0, said
        wait_for(lambda: heavy.life(1), "the first step", within_s=WITHIN_S)
        yield Job(ga, link, heavy)
    finally:
        ga.end(oslo.home, rome.home)
