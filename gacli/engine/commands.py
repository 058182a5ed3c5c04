"""What people ask for: pause, resume, migrate, stop."""

from __future__ import annotations

from gacli.core.job import JobState
from gacli.core.placement import PlacementState, next_states
from gacli.engine.context import Context
from gacli.engine.following import Following
from gacli.engine.placing import Placing
from gacli.engine.supervision import Supervision
from gacli.store.jobs import GenerationRecord
from gacli.store.journal import REFUSED, Command
from gacli.store.placements import Purpose


class Commands:
    """Takes one command at a time; one that must wait for the open placement stays pending."""

    def __init__(self, context: Context, placing: Placing, supervision: Supervision, following: Following) -> None:
        self._context = context
        self._placing = placing
        self._supervision = supervision
        self._following = following

    def tick(self) -> None:
        # A command to stop overtakes what waits: nobody should have to wait for a move to be allowed to stop.
        pending = sorted(
            self._context.store.journal.pending(self._context.job_id), key=lambda command: command.verb != "stop"
        )
        for command in pending[:1]:
            with self._context.store.transaction():
                outcome = self._take(command)
                if outcome is not None:
                    self._context.store.journal.take(command.command_id, outcome)
                    self._context.event("command", verb=command.verb, site=command.site, outcome=outcome)

    def _take(self, command: Command) -> str | None:
        """What came of it; None while it has to wait."""
        state = self._context.job().state
        if state in (JobState.PAUSED, JobState.WAITING) and command.verb != "stop":
            return self._take_paused(command, waiting=state is JobState.WAITING)
        if command.verb == "resume":
            return f"nothing to resume: the job is {state}"
        if state is JobState.FINISHING:
            return "the job is ending already" if command.verb == "stop" else f"{REFUSED}the job is ending already"
        live = self._supervision.live()
        if live is None and command.verb != "stop":
            # Nothing runs that could be moved or paused: the start that is on its way comes first.
            return None
        if not self._clear_the_way():
            return None
        match command.verb:
            case "migrate":
                return self._migrate(command.site or "", live)
            case "pause":
                if live is None:
                    return None
                self._placing.plan(Purpose.PAUSE, "asked for by ga pause", source=live.instance_id)
                return "pausing"
            case "stop":
                held = self._context.store.instances.held(self._context.job_id)
                source = live.instance_id if live is not None else held[-1].instance_id if held else None
                self._placing.plan(Purpose.STOP, "asked for by ga stop", source=source)
                return "stopping"
            case _:
                return f"unknown command {command.verb}"

    def _take_paused(self, command: Command, *, waiting: bool) -> str:
        """waiting: it was paused by its policy."""
        match command.verb:
            case "resume":
                self._following.resume()
                return "resuming"
            case "migrate" if waiting:
                self._following.resume(command.site, "asked for by ga migrate")
                return f"resuming at {command.site}"
            case "migrate":
                return f"{REFUSED}the job is paused; resume it first, with: ga resume {self._context.job_id}"
            case _ if waiting:
                self._context.set_state(JobState.PAUSED, "asked for by ga pause")
                return "paused: until ga resume, whatever its policy says"
            case _:
                return "the job is paused already"

    def _clear_the_way(self) -> bool:
        """True when no placement is open; one that its source has not noticed is dropped."""
        record = self._context.store.placements.open(self._context.job_id)
        if record is None:
            return True
        if PlacementState.ABANDONED in next_states(record.state):
            keep = record.purpose is Purpose.RESTART
            self._placing.drop(record, "overtaken by a command", keep_target=keep)
            return True
        return False

    def _migrate(self, site: str, live: GenerationRecord | None) -> str | None:
        if live is None:
            return None
        if live.site == site:
            return f"the job runs at {site} already"
        because = self._context.job().unmovable_because
        if because:
            return f"{REFUSED}the job cannot be moved: {because}"
        self._placing.plan(Purpose.MOVE, "asked for by ga migrate", source=live.instance_id, target_site=site)
        return f"moving to {site}"
