"""`ga carbon` and `ga forecast` as people use them: real processes, and a service over real sockets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from support.cli import Ga, Said, sample

from gacli.carbon.fake.electricity_maps import DEMO_TOKEN, FakeElectricityMaps
from gacli.clock import real_epoch_s

TOKEN = {"ELECTRICITYMAPS_TOKEN": DEMO_TOKEN}
HOUR = timedelta(hours=1)


@pytest.fixture
def ga(own_home: Path) -> Iterator[Ga]:
    with Ga(own_home) as ga:
        yield ga
        ga.wait_until_nothing_is_left()


@pytest.fixture
def server() -> Iterator[FakeElectricityMaps]:
    with FakeElectricityMaps(epoch_s=real_epoch_s) as server:
        yield server


def configuration(folder: Path, url: str, *sources: str) -> Path:
    """Two sites, in Germany and California."""
    document = {
        "name": "grids",
        "work": ".",
        "run": "true",
        "carbon": {"source": [*sources], "electricitymaps": {"base_url": url}},
        "sites": [{"name": zone.lower(), "provider": "mock", "zone": zone} for zone in ("DE", "US-CAL-CISO")],
    }
    path = folder / "grids.yaml"
    # JSON is YAML.
    path.write_text(json.dumps(document))
    return path


def rows(said: Said) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(said.stdout))]


def values_asked(server: FakeElectricityMaps) -> int:
    """Requests for intensities; that there is no renewable share is asked anew by every process."""
    return sum("/carbon-intensity/" in request.path for request in server.requests)


COMMANDS = ("now", "history", "forecast", "rank")


@pytest.mark.parametrize("command", COMMANDS)
def test_zones_and_places_from_typical_days(ga: Ga, command: str) -> None:
    arguments = ("carbon", command, "FR", "aws:eu-central-1")
    said = ga(*arguments)
    assert max(map(len, said.lines)) <= 80
    assert "average, life cycle, from typical" in said.stdout
    assert "DE: aws:eu-central-1" in said.lines
    record = ga(*arguments, "--json").json()
    assert {zone["zone"]: zone["places"] for zone in record["zones"]} == {"FR": [], "DE": ["aws:eu-central-1"]}
    assert {row["zone"] for row in rows(ga(*arguments, "--csv"))} == {"FR", "DE"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_configuration_brings_sources_zones_and_the_time(ga: Ga, tmp_path: Path, command: str) -> None:
    # It begins five hours after its traces; at the end of that day they are enough for a forecast.
    later = ("start: 2024-06-01T05:00:00Z", "start: 2024-06-01T23:30:00Z")
    record = ga("carbon", command, "--config", sample(tmp_path, "trace", later), "--json").json()
    assert "XX-SUN" in {zone["zone"] for zone in record["zones"]}
    assert all("trace:" in json.dumps(zone) for zone in record["zones"])
    start = datetime.fromisoformat(record.get("to") or record["at"])
    assert (start.year, start.month, start.day) == (2024, 6, 1)


def test_now_and_rank_know_all_zones(ga: Ga) -> None:
    assert len(ga("carbon", "now", "--json").json()["zones"]) == 34
    ranked = ga("carbon", "rank", "--over", "0", "--json").json()["zones"]
    means = [zone["mean_g_per_kwh"] for zone in ranked]
    assert len(means) == 34
    assert means == sorted(means)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_service_is_asked_and_then_its_kept_answers(
    ga: Ga, tmp_path: Path, server: FakeElectricityMaps, command: str
) -> None:
    config = configuration(tmp_path, server.url, "electricitymaps", "typical")
    arguments = ("carbon", command, "-c", config, "--json")
    first = ga(*arguments, environment=TOKEN).json()
    assert all("electricitymaps" in json.dumps(zone) for zone in first["zones"])
    assert "typical" not in json.dumps(first)
    asked = values_asked(server)
    assert asked > 0
    again = ga(*arguments, environment=TOKEN).json()
    assert len(again["zones"]) == 2
    assert values_asked(server) == asked


def test_a_forecast_of_the_service_goes_on_with_the_model(ga: Ga, tmp_path: Path, server: FakeElectricityMaps) -> None:
    config = configuration(tmp_path, server.url, "electricitymaps")
    (zone,) = ga("carbon", "forecast", "DE", "-c", config, "--horizon", "96h", "--json", environment=TOKEN).json()[
        "zones"
    ]
    assert zone["source"].startswith("electricitymaps until ")
    assert zone["source"].endswith("built-in model on electricitymaps")
    instants = [datetime.fromisoformat(point["at"]) for point in zone["points"]]
    assert len(instants) >= 96
    assert all(later - at == HOUR for at, later in pairwise(instants))
    for point in zone["points"]:
        assert point["low90_g_per_kwh"] <= point["intensity_g_per_kwh"] <= point["high90_g_per_kwh"]


def test_a_dead_service_is_stood_in_for_and_said_so(ga: Ga, tmp_path: Path, server: FakeElectricityMaps) -> None:
    config = configuration(tmp_path, server.url, "electricitymaps", "typical")
    wrong = {"ELECTRICITYMAPS_TOKEN": "wrong"}
    said = ga("carbon", "now", "-c", config, environment=wrong)
    assert "~ stands in, not compared" in said.stdout
    assert "token was refused" in said.stdout.replace("\n", " ")
    assert "wrong" not in said.stdout + said.stderr
    for zone in ga("carbon", "now", "-c", config, "--json", environment=wrong).json()["zones"]:
        assert (zone["quality"], zone["stand_in"]) == ("typical", "typical stands in for electricitymaps")
        assert "token was refused" in zone["because"]
    ranking = ga("carbon", "rank", "-c", config, "--json", code=1, environment=wrong).json()["zones"]
    assert [zone["rank"] for zone in ranking] == [None, None]
    forecast = ga("carbon", "forecast", "-c", config, "--json", environment=wrong).json()["zones"][0]
    assert forecast["source"] == "typical (typical stands in for electricitymaps)"


@pytest.mark.parametrize("command", COMMANDS)
def test_one_zone_of_which_nothing_is_known_and_only_such(ga: Ga, command: str) -> None:
    # A place's zone without typical days.
    said = ga("carbon", command, "DE", "azure:qatarcentral")
    assert "QA: " in said.stdout
    assert "no typical days" in said.stdout.replace("\n", " ")
    said = ga("carbon", command, "azure:qatarcentral", "--json", code=1)
    assert said.json()["zones"][0]["zone"] == "QA"
    assert "nothing is known" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(["carbon", "now", "de"], "did you mean DE?", id="zone"),
        pytest.param(["carbon", "rank", "DE", "--source", "electricitymaps"], "ELECTRICITYMAPS_TOKEN", id="no token"),
        pytest.param(["forecast", "backtest", "DE"], "-c", id="a zone without a trace"),
    ],
)
def test_usage_errors(ga: Ga, arguments: list[str], word: str) -> None:
    said = ga(*arguments, code=2)
    assert word in said.stderr
    assert said.stdout == ""


def test_history_of_a_chosen_time(ga: Ga) -> None:
    found = rows(ga("carbon", "history", "DE", "--from", "2024-06-01", "--to", "2024-06-03T00:00Z", "--csv"))
    assert len(found) == 48
    assert (found[0]["at"], found[-1]["at"]) == ("2024-06-01T00:00:00.000000Z", "2024-06-02T23:00:00.000000Z")
    assert {row["quality"] for row in found} == {"typical"}
    assert len(rows(ga("carbon", "history", "DE", "--since", "2d", "--csv"))) in (48, 49)


def test_as_if_it_were_then(ga: Ga) -> None:
    for command in ("now", "forecast", "rank"):
        record = ga("carbon", command, "DE", "--at", "2024-06-01T12:30Z", "--json").json()
        assert datetime.fromisoformat(record["at"]) == datetime(2024, 6, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("command", ["history", "forecast"])
def test_a_picture_as_well(ga: Ga, tmp_path: Path, command: str) -> None:
    path = tmp_path / "grids.svg"
    said = ga("carbon", command, "DE", "--json", "--plot", path)
    assert said.json()["zones"][0]["zone"] == "DE"
    assert f"{path} was written" in said.stderr
    assert "DE: average, life cycle, from typical" in path.read_text()


def test_values_of_two_kinds_are_not_ranked(ga: Ga, tmp_path: Path, server: FakeElectricityMaps) -> None:
    config = configuration(tmp_path, server.url, "electricitymaps")
    document = json.loads(config.read_text())
    document["carbon"] |= {"scope": "direct", "zones": {"DE": ["typical"]}}
    config.write_text(json.dumps(document))
    said = ga("carbon", "rank", "-c", config, code=2, environment=TOKEN)
    assert "direct" in said.stderr
    assert "lifecycle" in said.stderr


def test_zones(ga: Ga) -> None:
    said = ga("carbon", "zones", "frankfurt")
    assert [line.split()[0] for line in said.lines[1:4]] == [
        "aws:eu-central-1", "azure:germanywestcentral", "gcp:europe-west3",
    ]  # fmt: skip
    (place,) = ga("carbon", "zones", "frankfurt", "--provider", "gcp", "--json").json()["places"]
    assert (place["place"], place["zone"], place["year"]) == ("gcp:europe-west3", "DE", 2024)
    assert len(rows(ga("carbon", "zones", "--csv"))) > 100
    assert max(map(len, ga("carbon", "zones").lines)) <= 80
    assert "no place" in ga("carbon", "zones", "atlantis", code=1).stderr


def test_backtest_of_files_and_of_a_configuration(ga: Ga, tmp_path: Path) -> None:
    lines = ["datetime_utc,carbon_intensity_gco2_per_kwh"]
    start = datetime(2024, 3, 1, tzinfo=UTC)
    for hour in range(24 * 40):
        value = 300 + 50 * (hour % 24 > 15) + (hour * 37) % 20
        lines.append(f"{start + hour * HOUR:%Y-%m-%dT%H:%MZ},{value}")
    path = tmp_path / "DE.csv"
    path.write_text("\n".join(lines))
    said = ga("forecast", "backtest", path, "--test-from", "2024-04-01")
    assert "DE: a forecast at 00 UTC on 6 days from 2024-04-01 to 2024-04-06" in said.stdout
    zone = ga("forecast", "backtest", path, "--test-from", "2024-04-01", "--json").json()["zones"][0]
    assert (zone["zone"], zone["days"]) == ("DE", 6)
    assert zone["mape_percent"]["built-in"][2] < zone["mape_percent"]["persistence"][2]
    assert "expected values of 14 days" in ga("forecast", "backtest", path, "--test-from", "2025-01-01", code=1).stdout
    assert "XX-SUN" in ga("forecast", "backtest", "XX-SUN", "-c", sample(tmp_path, "trace"), "--json", code=1).stdout
