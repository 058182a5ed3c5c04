"""Events as plain lines for logs and cron: what matters, once, and not too often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from gacli.core.job import JobState
from gacli.core.placement import PlacementState
from gacli.ports.machine import StepProgress
from gacli.store.journal import Event, Progress
from gacli.store.placements import Purpose
from gacli.views import formatting as fmt
from gacli.views.placement_stages import Underway
from gacli.views.summary_text import summary_lines
from gacli.views.throttle import CarbonChanges, Every
from gacli.views.wording import limit_text, step_amount, step_label

# Real seconds between two lines about the same thing that merely goes on, and between two words of routine saves.
_PROGRESS_S = 10.0
_ROUTINE_S = 60.0
# One decision to stay in so many is worth a line.
_STAYS = 10

_PLACEMENT_WORDS: Mapping[str, str] = {
    PlacementState.TARGET_READY: "{target} is ready",
    PlacementState.STOPPING: "stopping the trainer at {source}",
    PlacementState.VERIFIED: "checkpoint verified",
    PlacementState.CONFIRMED: "first new step at {target}",
    PlacementState.ABANDONED: "{purpose} given up: {detail}",
    PlacementState.FAILED: "{purpose} failed: {detail}",
}
# States whose beginning a placement's own line tells.
_TOLD_BY_PLACEMENT = (JobState.PLACING, JobState.MOVING, JobState.PAUSING, JobState.FINISHING)

# Purposes whose trainer has ended by itself.
_ENDED = (Purpose.FINISH, Purpose.FAIL)


# Why a machine stopped its trainer by itself.
_BECAUSE = {"lease": "as its lease ran out", "preemption": "as its machine is about to be taken"}


class Lines:
    """Remembers what was said, so that it need not be said again."""

    def __init__(self) -> None:
        self._site = ""
        self._placement: Mapping[str, Any] | None = None
        self._often = Every()
        self._carbon = CarbonChanges()
        self._stays = 0
        self._moved_because = ""
        self._tellers: Mapping[str, Callable[[Event, Mapping[str, Any]], Iterable[str]]] = {
            "job": self._job,
            "placement": self._place,
            "instance": self._instance,
            "generation": self._generation,
            "progress": self._progress,
            "step": self._step,
            "checkpoint": self._checkpoint,
            "carbon": self._intensities,
            "decision": self._decision,
            "command": self._command,
            "limit": self._limit,
            "warning": self._notice,
            "error": self._notice,
            "note": self._notice,
        }

    def of(self, event: Event) -> list[str]:
        """The lines that this event is worth: none, one, or the summary's few."""
        if event.kind == "summary":
            return ["", *summary_lines(event.body)]
        tell = self._tellers.get(event.kind)
        if tell is None:
            return [self.line(event.at, f"{event.kind}: " + ", ".join(f"{k} {v}" for k, v in event.body.items()))]
        # One by one: what a teller learns after its words (that a placement is over, say) is no part of their line.
        return [self.line(event.at, text) for text in tell(event, event.body)]

    def line(self, at: datetime, text: str) -> str:
        """`2024-06-03 14:05 UTC  frankfurt → oregon  …`, on one line whatever the text holds."""
        return "  ".join(part for part in (fmt.clock(at), self._way(), fmt.plain(text)) if part)

    def heartbeat(self, at: datetime, state: JobState, detail: str, progress: Progress | None) -> str:
        """For when nothing was said for long."""
        where = "" if progress is None else f", step {fmt.steps(progress.step, progress.total_steps)}"
        return self.line(at, f"still {state}{where}" + (f": {detail}" if detail else ""))

    def _way(self) -> str:
        if self._placement is None:
            return self._site
        source, target = self._placement["source"], self._placement["target"]
        if target is None:
            return source or self._site
        return f"{source} → {target}" if source else f"→ {target}"

    def _job(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        state = JobState(body["state"])
        if state in _TOLD_BY_PLACEMENT and (self._placement is not None or not body["detail"]):
            return
        generation = f" (generation {body['generation']})" if state is JobState.RUNNING else ""
        yield f"{state}{generation}" + (f": {body['detail']}" if body["detail"] else "")

    def _place(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        state = PlacementState(body["state"])
        self._placement = body
        if state is PlacementState.PLANNED:
            # The decision has just given the reason.
            told = body["reason"] in (self._moved_because, body["purpose"])
            yield body["purpose"] if told else f"{body['purpose']}: {body['reason']}"
        elif state in _PLACEMENT_WORDS and not (state is PlacementState.STOPPING and body["purpose"] in _ENDED):
            detail = body["detail"].splitlines()
            yield _PLACEMENT_WORDS[state].format_map({**body, "detail": detail[0] if detail else "no reason given"})
        if state.final:
            self._placement = None
            if state is PlacementState.FINISHED and body["target"]:
                self._site = body["target"]

    def _instance(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        words = {"requested": "booting a machine at {}", "booted": "setting up the machine at {}",
                 "gone": "the machine at {} is gone"}.get(body["state"])  # fmt: skip
        if words is not None:
            yield words.format(body["site"])

    def _generation(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        if body["state"] == "started":
            self._site = body["site"]
            yield f"generation {body['generation']} started"
            return
        why = _BECAUSE.get(body.get("because", ""))
        how = "" if body.get("exit_code") is None else f" (exit code {body['exit_code']})"
        how = f" (signal {body['signal']})" if body.get("signal") is not None else how
        how += f", {why}" if why else ""
        yield f"generation {body['generation']} ended: {body.get('outcome') or body['state']}{how}"

    def _progress(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        self._site = body["site"]
        step, total = body["step"], body["total_steps"]
        if not self._often.due("progress", event.epoch_s, _PROGRESS_S) and step != total:
            return
        share = f" ({100 * step / total:.0f} %)" if total else ""
        words = [f"step {fmt.steps(step, total)}{share}"]
        words += [] if body["loss"] is None else [f"loss {fmt.figure(body['loss'])}"]
        words += [fmt.throughput(body["steps_per_s"])] if body["steps_per_s"] else []
        yield ", ".join(words)

    def _step(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        """At once when a placement waits for it; what runs on the side is told only when it takes long."""
        step = StepProgress(**{name: body[name] for name in ("what", "detail", "done", "total", "unit", "rate")})
        first = self._often.is_new(f"{body['key']} {step.what}", event.epoch_s)
        if first and self._placement is None:
            return
        if not first and not self._often.due(f"{body['key']} {step.what}", event.epoch_s, _PROGRESS_S):
            return
        yield f"{step_label(body['key'], step, self._underway())} {step_amount(step)}"

    def _underway(self) -> Underway | None:
        body = self._placement
        if body is None:
            return None
        return Underway(
            purpose=body["purpose"], source=body["source"], target=body["target"], reason=body["reason"], stages=()
        )

    def _checkpoint(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        action = body["action"]
        if self._placement is None and not self._often.due(f"checkpoint {action}", event.epoch_s, _ROUTINE_S):
            return
        step = f" of step {fmt.count(body['step'])}" if body["step"] >= 0 else ""
        words = {"saved": "saved", "fetched": "copied here", "sent": f"copied to {body['site']}"}.get(action, action)
        yield f"checkpoint{step} {words} ({fmt.size(body['size_bytes'])})"

    def _intensities(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        changed = self._carbon.worth_telling(body["zones"], event.epoch_s)
        if changed:
            yield "intensity " + ", ".join(_intensity(zone, known) for zone, known in body["zones"].items())

    def _decision(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        if body["action"] == "stay":
            self._stays += 1
            if self._stays % _STAYS != 1:
                return
            left_out = f" ({_STAYS - 1} more like it not shown)" if self._stays > 1 else ""
            yield f"stay: {body['reason']}{left_out}"
            return
        unsaid = (self._stays - 1) % _STAYS if self._stays else 0
        self._stays, self._moved_because = 0, body["reason"]
        left_out = f" (after {unsaid} more to stay, not shown)" if unsaid else ""
        target = f" → {body['target']}" if body["target"] else ""
        yield f"{body['action']}{target}: {body['reason']}{left_out}"

    def _command(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        site = f" {body['site']}" if body["site"] else ""
        yield f"ga {body['verb']}{site}: {body['outcome']}"

    def _limit(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        yield limit_text(body)

    def _notice(self, event: Event, body: Mapping[str, Any]) -> Iterable[str]:
        yield body["message"] if event.kind == "note" else f"{event.kind}: {body['message']}"


def _intensity(zone: str, known: Mapping[str, Any]) -> str:
    if "unavailable" in known:
        return f"{zone} unknown"
    marks = [known["quality"]] if known["quality"] != "measured" else []
    marks += ["stands in, not compared"] if known.get("stand_in") else []
    marks += ["stale"] if known["stale"] else []
    return f"{zone} {fmt.intensity(known['intensity_g_per_kwh'])} g/kWh" + (f" ({', '.join(marks)})" if marks else "")
