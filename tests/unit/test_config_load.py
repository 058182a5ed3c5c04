"""Files → configurations, or messages that say what to correct and where."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from gacli.config.carbon import CarbonConfig
from gacli.config.load import load, parse
from gacli.config.models import CheckpointConfig, Config, ReplayConfig, SiteConfig
from gacli.config.policies import installed, parameters_model, policy_class
from gacli.errors import ConfigError

DATA = Path(__file__).parents[1] / "data" / "config"


class Bad(TypedDict, total=False):
    case: str
    text: str
    lines: str
    expect: list[str]


BAD: list[Bad] = yaml.safe_load((DATA / "bad.yaml").read_text(encoding="utf-8"))


def text_of(bad: Bad) -> str:
    if "text" in bad:
        return bad["text"]
    sites = "" if "sites:" in bad["lines"] else "sites: [{name: here, provider: mock, zone: DE}]\n"
    return f"name: digits\nrun: python train.py\n{bad['lines']}\n{sites}"


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad["case"])
def test_bad_input_is_told_with_its_place(bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.yaml").write_text(text_of(bad), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(Path("train.yaml"))
    message = str(caught.value)
    flat = " ".join(message.split())
    position = -1
    for fragment in bad["expect"]:
        assert fragment in flat
        if fragment.startswith("train.yaml:"):
            assert flat.index(fragment) > position, "problems stand in the file's order"
            position = flat.index(fragment)
    assert caught.value.exit_code == 2
    assert message.startswith("train.yaml:")
    assert "pydantic" not in message


def test_defaults() -> None:
    config = load(DATA / "minimal.yaml").config
    site = config.sites[0]
    assert (config.name, config.run, config.work) == ("digits", "python train.py", ".")
    assert config.exclude == (".git/", "__pycache__/", ".venv/")
    assert (config.setup, config.env, config.replay) == ((), {}, None)
    assert (config.start_at, config.policy.name, config.policy.parameters) == ("cleanest", "hysteresis", {})
    assert (config.restarts, config.sample, config.lifetime) == (3, 1.0, 604800.0)
    checkpoint = config.checkpoint
    assert (checkpoint.path, checkpoint.signal, checkpoint.grace, checkpoint.fetch) == (None, "SIGUSR1", 120.0, 1800.0)
    carbon = config.carbon
    assert (carbon.source, carbon.scope, carbon.poll, carbon.max_age) == (("typical",), "lifecycle", 300.0, 7200.0)
    assert (site.zone, site.pue, site.price, site.capacity, site.options) == ("NO", 1.2, 0.0, 1, {})
    assert (site.power.idle, site.power.busy) == (100.0, 400.0)


def test_every_key() -> None:
    loaded = load(DATA / "full.yaml")
    config = loaded.config
    assert config.run == "python train.py \\\n  --epochs 3"
    assert config.env == {
        "SEED": "1",
        "EPOCHS": "3",
        "PYTHON_VERSION": "3.10",
        "RATE": "1e-3",
        "DEBUG": "true",
        "ANSWER": "no",
        "ZIP": "01067",
        "EMPTY": "",
    }
    checkpoint = config.checkpoint
    assert (checkpoint.path, checkpoint.signal, checkpoint.grace, checkpoint.fetch) == ("out/ckpt", "SIGTERM", 90, 3600)
    assert config.policy.parameters == {"margin": "12.5%", "dwell": "90m", "hold_readings": 3}
    assert config.carbon.values == {"DE": 350.0, "NO": 29.5}
    assert config.replay is not None
    assert (config.replay.start, config.replay.scale) == (datetime(2024, 6, 1, tzinfo=UTC), 900.0)
    frankfurt, oslo = config.sites
    assert (frankfurt.power.idle, frankfurt.power.busy, frankfurt.pue, frankfurt.price) == (60.0, 1200.0, 1.3, 2.5)
    assert frankfurt.options == {"boot": "2s", "faults": ["slow-boot"]}
    assert (oslo.name, oslo.zone, oslo.pue, oslo.capacity, oslo.options) == ("oslo", "NO", 1.3, 4, {})
    assert (oslo.power.idle, oslo.power.busy) == (100.0, 700.0)
    assert loaded.work_folder == DATA.resolve()


def test_stored_text_makes_the_same_configuration() -> None:
    loaded = load(DATA / "full.yaml")
    again = parse(loaded.text, loaded.path)
    assert (again.config, again.sha256, again.path) == (loaded.config, loaded.sha256, loaded.path)
    assert again.where(("sites", 1, "zone")) == f"{loaded.path}:37"


def test_stored_text_needs_no_folder() -> None:
    text = "name: a\nrun: x\nwork: gone\nsites: [{name: a, provider: mock, zone: DE}]\n"
    assert parse(text, Path("/nowhere/train.yaml")).work_folder == Path("/nowhere/gone")


def test_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs" / "code").mkdir(parents=True)
    text = "name: a\nrun: x\nwork: code\nsites: [{name: a, provider: mock, zone: DE}]\n"
    (tmp_path / "jobs" / "train.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = load(Path("jobs/train.yaml"))
    assert loaded.work_folder == (tmp_path / "jobs" / "code").resolve()
    assert loaded.path.is_absolute()
    assert loaded.where(("run",)) == "jobs/train.yaml:2"


_KEYS = sorted({*Config.model_fields, *CarbonConfig.model_fields, *SiteConfig.model_fields, "idle", "NO", "odd key"})
_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "x", "10%", "5m", "NO", "stay"])
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(_KEYS), _VALUES, min_size=1, max_size=8))
def test_whatever_a_file_says_it_is_accepted_or_refused_by_line(data: dict[str, object]) -> None:
    refusal = ""
    try:
        parse(yaml.safe_dump(data), Path("train.yaml"))
    except ConfigError as error:
        refusal = error.message
    assert refusal == "" or re.match(r"train\.yaml:[1-9]", refusal)


def test_the_manuals_examples_load() -> None:
    manual = (DATA.parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    examples = [text for text in blocks if "sites:" in text and "kind:" not in text]
    assert len(examples) == 2
    for text in examples:
        parse(text, Path("train.yaml"))


SECTIONS: list[type[BaseModel]] = [Config, CheckpointConfig, CarbonConfig, ReplayConfig, SiteConfig]


@pytest.mark.parametrize("section", [*SECTIONS, *map(parameters_model, map(policy_class, sorted(installed())))])
def test_the_manual_names_every_key(section: type[BaseModel]) -> None:
    manual = (DATA.parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    for name, field in section.model_fields.items():
        key = field.alias or name
        assert f"`{key}`" in manual or f"`{key}." in manual, key


@pytest.mark.parametrize(("kind", "command"), [("experiment", "ga simulate"), ("sweep", "ga sweep")])
def test_a_file_of_another_kind_is_told_its_command(kind: str, command: str) -> None:
    text = f"kind: {kind}\nname: a\nsites: []\n"
    with pytest.raises(ConfigError) as caught:
        parse(text, Path("train.yaml"))
    assert f"train.yaml:1: kind: found `kind: {kind}`" in caught.value.message
    assert caught.value.message.endswith(f"with: {command}")
