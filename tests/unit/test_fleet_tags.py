"""Tags: every instance says whose it is, what for, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from support.engine import HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.engine.tags import store_id
from gacli.folders import Folders


def test_every_instance_of_the_engine_is_tagged(tmp_path: Path) -> None:
    one = World(
        root=tmp_path,
        carbon=HourlySource({"A": [400.0] * 48, "B": [100.0] * 48}),
        sites=(site("a", "A"), site("b", "B")),
        model=TrainerModel(steps_per_s=0.1, total_steps=60, checkpoint_every_steps=20, save_s=5.0),
        start_at="a",
    )
    one.run()
    tags = [dict(instance.tags) for instance in one.provider.instances.values()]
    expires = [datetime.fromisoformat(tag.pop("ga-expires")) for tag in tags]
    assert tags == [
        {"ga-store": "store", "ga-job": "job-1", "ga-site": name, "ga-generation": str(generation)}
        for generation, name in ((1, "a"), (2, "b"))
    ]
    begun = [row.requested_at for row in one.store.instances.of_job(one.job_id, gone=True)]
    for end, begin in zip(expires, begun, strict=True):
        assert timedelta(days=7) <= end - begin < timedelta(days=7, minutes=1)


def test_store_id_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    here, there = Folders(tmp_path / "here"), Folders(tmp_path / "there")
    assert store_id(here) == store_id(here) != store_id(there)
    assert here.store_id.stat().st_mode & 0o777 == 0o600
    assert len(store_id(here)) == 16
