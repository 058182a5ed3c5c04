"""How far the training is: what was made, what is saved, what had to be made again."""

from __future__ import annotations

from gacli.simulate.scenario import SimulatedJob

NEVER_US = 1 << 62
"""Later than anything."""


def microseconds(span_s: float) -> int:
    """Seconds in whole microseconds; an infinite span as NEVER_US."""
    return NEVER_US if span_s * 1e6 >= NEVER_US else round(span_s * 1e6)


class Progress:
    """All in microseconds of training at full load, but for the saves that are left."""

    def __init__(self, job: SimulatedJob) -> None:
        self._work_us = microseconds(job.work_s)
        self._every_us = max(microseconds(job.save_every_s), 1)
        self._epoch_us = None if job.epoch_s is None else max(microseconds(job.epoch_s), 1)
        self._made_us = self._saved_us = self.lost_us = 0

    @property
    def remaining_us(self) -> int:
        return self._work_us - self._made_us

    @property
    def since_epoch_us(self) -> int | None:
        """Since the last epoch ended; None without epochs."""
        return None if self._epoch_us is None else self._made_us % self._epoch_us

    @property
    def until_save_us(self) -> int:
        """How much is trained from here to the next save: the periodic one, or the one at the end of the work."""
        return min(self._every_us - self._made_us % self._every_us, self.remaining_us)

    @property
    def saves_left(self) -> int:
        """How many are still to begin, the one at the end included, if the job just trains on."""
        # A periodic save that falls on the end of the work is the last one.
        return (self._work_us - 1) // self._every_us - self._made_us // self._every_us + 1

    def add(self, trained_us: int) -> None:
        self._made_us += trained_us

    def save(self) -> None:
        self._saved_us = self._made_us

    def lose(self) -> None:
        """Back to the last save."""
        self.lost_us += self._made_us - self._saved_us
        self._made_us = self._saved_us
