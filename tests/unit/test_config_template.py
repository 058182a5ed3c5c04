"""What `ga init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gacli.carbon.answers import MemoryAnswers
from gacli.config import build
from gacli.config.carbon_sources import Services, carbon_chain
from gacli.config.load import load
from gacli.config.template import template
from gacli.errors import ConfigError


def test_it_loads_and_everything_can_be_built(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(template("my-job"), encoding="utf-8")
    loaded = load(path)
    assert loaded.config.name == "my-job"
    assert 'echo "step $step"' in loaded.config.run
    assert {site.provider for site in build.sites(loaded.config)} == {"mock"}
    assert build.policy(loaded).name == "hysteresis"
    source = carbon_chain(loaded, Services(answers=MemoryAnswers(), environment={}))
    assert loaded.config.replay is not None
    start = loaded.config.replay.start
    assert all(source.readings(site.zone, start, start) for site in loaded.config.sites)


def test_the_commented_parts_are_right_as_well(tmp_path: Path) -> None:
    text = template("my-job").replace("setup: []\n#  - pip", "setup:\n  - pip").replace("  # path:", "  path:")
    before, _, after = text.partition("  # - name: basement")
    path = tmp_path / "train.yaml"
    path.write_text(before + "  - name: basement" + after.replace("  # ", "  "), encoding="utf-8")
    config = load(path).config
    assert config.setup == ("pip install -r requirements.txt",)
    assert config.checkpoint.path == "out/ckpt"
    assert config.sites[-1].provider == "ssh"


def test_its_lines_fit_an_editor() -> None:
    assert max(map(len, template("my-job").splitlines())) <= 120


@pytest.mark.parametrize("name", ["", "My Job", "-a", "a\n", "a" * 41, "a: b"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^name: found"):
        template(name)
