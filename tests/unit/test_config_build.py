"""Configuration → core values."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gacli.carbon.answers import MemoryAnswers
from gacli.config import build
from gacli.config.carbon_sources import Services, carbon_chain
from gacli.config.load import LoadedConfig, load, parse
from gacli.core.carbon import Quality
from gacli.core.site import PowerModel, Site
from gacli.errors import ConfigError, TraceError
from gacli.policies.hysteresis import Hysteresis

DATA = Path(__file__).parents[1] / "data" / "config"
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
SERVICES = Services(answers=MemoryAnswers(), environment={})

AVERAGE = "datetime_utc,carbon_intensity_gco2_per_kwh\n2024-06-01T11:00:00Z,100\n2024-06-01T12:00:00Z,200\n"
MARGINAL = "point_time,value\n2024-06-01 11:00:00+00:00,900\n2024-06-01 12:00:00+00:00,1000\n"


def loaded(path: Path, carbon: str, *zones: str) -> LoadedConfig:
    lines = ["name: a", "run: x", f"carbon: {carbon}", "sites:"]
    lines += [f"  - {{name: s{index}, provider: mock, zone: {zone}}}" for index, zone in enumerate(zones or ("DE",))]
    return parse("\n".join(lines), path / "train.yaml")


def test_sites() -> None:
    frankfurt, oslo = build.sites(load(DATA / "full.yaml").config)
    assert frankfurt == Site(
        name="frankfurt",
        provider="mock",
        zone="DE",
        pue=1.3,
        power=PowerModel(idle_w=60.0, busy_w=1200.0),
        price_usd_per_hour=2.5,
        capacity=4,
        options={"boot": "2s", "faults": ["slow-boot"]},
    )
    assert (oslo.name, oslo.power.busy_w) == ("oslo", 700.0)


def test_policy() -> None:
    expected = Hysteresis(margin_percent=12.5, dwell_s=5400.0, hold_readings=3)
    assert build.policy(load(DATA / "full.yaml")) == expected


def test_typical_and_static_sources(tmp_path: Path) -> None:
    (typical,) = carbon_chain(loaded(tmp_path, "{source: typical}"), SERVICES).readings("DE", NOON, NOON)
    assert typical.quality is Quality.TYPICAL
    (mean,) = carbon_chain(loaded(tmp_path, "{source: static}"), SERVICES).readings("DE", NOON, NOON)
    assert mean.quality is Quality.STATIC
    given = loaded(tmp_path, "{source: static, values: {XX: 12.5}}", "XX")
    assert carbon_chain(given, SERVICES).readings("XX", NOON, NOON)[0].intensity_g_per_kwh == 12.5


@pytest.mark.parametrize("source", ["typical", "static"])
def test_zones_without_typical_days(tmp_path: Path, source: str) -> None:
    with pytest.raises(ConfigError) as caught:
        carbon_chain(loaded(tmp_path, f"{{source: {source}}}", "DE", "SE-SE4", "XX"), SERVICES)
    first, second = str(caught.value).replace("\n    ", " ").splitlines()
    assert first.startswith(f'{tmp_path}/train.yaml:6: sites[1].zone: no typical days for "SE-SE4"; did you mean')
    assert "SE-SE3" in first
    assert second.startswith(f'{tmp_path}/train.yaml:7: sites[2].zone: no typical days for "XX"')


def test_trace_folder(tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / "DE.csv").write_text(AVERAGE)
    (tmp_path / "traces" / "FR.csv.gz").write_bytes(gzip.compress(AVERAGE.encode()))
    source = carbon_chain(loaded(tmp_path, "{source: trace, folder: traces}", "DE", "FR"), SERVICES)
    for zone in ("DE", "FR"):
        (reading,) = source.readings(zone, NOON, NOON)
        assert reading.intensity_g_per_kwh == 200.0


def test_trace_files(tmp_path: Path) -> None:
    (tmp_path / "my own.csv").write_text(AVERAGE)
    source = carbon_chain(loaded(tmp_path, "{source: trace, files: {DE: my own.csv}}"), SERVICES)
    (reading,) = source.readings("DE", NOON, NOON)
    assert reading.source == "trace:my own.csv"


@pytest.mark.parametrize(
    ("carbon", "zone", "expected"),
    [
        ("{source: trace, folder: gone}", "DE", "train.yaml:3: carbon.folder: found no folder"),
        ("{source: trace, files: {DE: gone.csv}}", "DE", "train.yaml:3: carbon.files.DE: found no file"),
        ("{source: trace, folder: .}", "DK-DK2", 'sites[0].zone: no trace in . for "DK-DK2"; did you mean DK-DK1?'),
        ("{source: trace, folder: .}", "DK-DK2", "train.yaml:5: sites[0].zone"),
    ],
)
def test_traces_that_are_not_there(tmp_path: Path, carbon: str, zone: str, expected: str) -> None:
    (tmp_path / "DK-DK1.csv").write_text(AVERAGE)
    with pytest.raises(ConfigError) as caught:
        carbon_chain(loaded(tmp_path, carbon, zone), SERVICES)
    assert expected in " ".join(str(caught.value).split())


def test_traces_that_cannot_be_trusted(tmp_path: Path) -> None:
    (tmp_path / "DE.csv").write_text(AVERAGE.replace("200", "-200"))
    with pytest.raises(TraceError, match=r"DE\.csv:3"):
        carbon_chain(loaded(tmp_path, "{source: trace, folder: .}"), SERVICES)


@pytest.mark.parametrize(("start", "accepted"), [("10:59", False), ("11:00", True), ("12:59", True), ("13:00", False)])
def test_replay_begins_within_its_traces(tmp_path: Path, start: str, accepted: bool) -> None:
    (tmp_path / "DE.csv").write_text(AVERAGE)
    begun = f"{{source: trace, folder: .}}\nreplay: {{start: '2024-06-01T{start}:00Z'}}"
    given = loaded(tmp_path, begun)
    if accepted:
        carbon_chain(given, SERVICES)
        return
    with pytest.raises(ConfigError) as caught:
        carbon_chain(given, SERVICES)
    expected = "train.yaml:4: replay.start: found 2024-06-01T" + start
    text = " ".join(str(caught.value).split())
    assert expected in text
    assert "cover 2024-06-01T11:00Z to 2024-06-01T13:00Z for DE" in text


def test_kinds_of_intensity_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "DE.csv").write_text(AVERAGE)
    (tmp_path / "FR.csv").write_text(MARGINAL)
    with pytest.raises(ConfigError) as caught:
        carbon_chain(loaded(tmp_path, "{source: trace, folder: .}", "DE", "FR"), SERVICES)
    assert "train.yaml:3: carbon: found average and marginal" in " ".join(str(caught.value).split())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("boot: found 3x, expected a duration", "train.yaml:6: sites[1].options.boot: found 3x"),
        ("faults.crash: found 3x", "train.yaml:7: sites[1].options.faults.crash: found 3x"),
        ("hosts.1.port: found 3x", "train.yaml:9: sites[1].options.hosts[1].port: found 3x"),
        ("host: missing", "train.yaml:5: sites[1].options.host: missing"),
        ("needs a host", "train.yaml:5: sites[1].options: needs a host"),
    ],
)
def test_a_providers_complaint_gets_its_place(message: str, expected: str) -> None:
    text = (
        "name: a\nrun: x\nsites:\n  - {name: a, provider: mock, zone: DE}\n"
        "  - {name: b, provider: mock, zone: DE, options: {\n      boot: 3x,\n"
        "      faults: {crash: 3x},\n      hosts: [\n      {}, {port: 3x}]}}\n"
    )
    error = build.site_options_error(parse(text, Path("train.yaml")), "b", ConfigError(message, hint="read the docs"))
    assert error.message.startswith(expected)
    assert error.hint == "read the docs"
