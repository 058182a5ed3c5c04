"""A job of some hours and two sites, of which the second becomes much cleaner after half an hour."""

from __future__ import annotations

from pathlib import Path

from support.engine import HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel

MODEL = TrainerModel(steps_per_s=1.0, total_steps=6000, checkpoint_every_steps=600, save_s=2.0)


def world(tmp_path: Path, **changes: object) -> World:
    """Two sites; `b` becomes much cleaner after half an hour."""
    settings: dict[str, object] = {
        "root": tmp_path,
        "carbon": HourlySource({"A": [400.0] * 48, "B": [500.0, *[100.0] * 47]}),
        "sites": (site("a", "A"), site("b", "B")),
        "model": MODEL,
    }
    return World(**(settings | changes))  # type: ignore[arg-type]  # the tests name fields of the dataclass
