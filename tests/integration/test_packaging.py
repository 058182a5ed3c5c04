"""What a user installs: the built wheel's content and metadata, and the pinned file that goes with it."""

import email.message
import email.parser
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gacli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Folder in the checkout → where its files lie in the wheel.
SOURCES = {
    "gacli": "gacli",
    "providers/ga_providers": "ga_providers",
    "playbooks/ga_playbooks": "ga_playbooks",
}

POLICIES = {
    *("stay", "hysteresis", "greenaccounter", "pause-resume", "move-or-pause", "forecast", "clairvoyant"),
    *("performance-first", "random", "round-robin", "greedy-carbon"),
}

# Read or copied at run time, so no import would miss them.
DATA_FILES = {
    "gacli/carbon/data/typical_days.csv",
    "gacli/py.typed",
    "gacli/store/migrations/0001_first.sql",
    "ga_playbooks/agent/__main__.py",
    "ga_trainer.py",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist, the wheel made from that sdist, and `direct/` with the wheel made from the checkout."""
    folder = tmp_path_factory.mktemp("built")
    for options in (["--outdir", str(folder)], ["--wheel", "--outdir", str(folder / "direct")]):
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", *options, str(ROOT)],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
    return folder


@pytest.fixture(params=["from_checkout", "from_sdist"])
def wheel(request: pytest.FixtureRequest, built: Path) -> Iterator[zipfile.ZipFile]:
    (path,) = (built / "direct" if request.param == "from_checkout" else built).glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def read_metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def parse_metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    return email.parser.Parser().parsestr(read_metadata(wheel, "METADATA"))


def files_in_checkout() -> dict[str, bytes]:
    found = {"ga_trainer.py": (ROOT / "playbooks" / "ga_trainer.py").read_bytes()}
    for source, target in SOURCES.items():
        for path in (ROOT / source).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found[f"{target}/{path.relative_to(ROOT / source).as_posix()}"] = path.read_bytes()
    return found


@pytest.mark.slow
def test_wheel_holds_the_packages_as_they_are_in_the_checkout(wheel: zipfile.ZipFile) -> None:
    packed = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    expected = files_in_checkout()

    assert packed.keys() == expected.keys()
    assert [name for name in packed if packed[name] != expected[name]] == []
    assert packed.keys() >= DATA_FILES


@pytest.mark.slow
def test_wheel_takes_no_generic_import_name(wheel: zipfile.ZipFile) -> None:
    names = {PurePosixPath(name).parts[0] for name in wheel.namelist()}

    assert {name for name in names if not name.endswith(".dist-info")} == {*SOURCES.values(), "ga_trainer.py"}


@pytest.mark.slow
def test_wheel_states_version_and_licenses(wheel: zipfile.ZipFile) -> None:
    metadata = parse_metadata(wheel)

    assert metadata["Name"] == "ga-cli"
    assert metadata["Version"] == gacli.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in read_metadata(wheel, "licenses/LICENSE")
    assert "Electricity Maps" in read_metadata(wheel, "licenses/NOTICE")


@pytest.mark.slow
def test_extra_all_holds_every_extra_but_pytorch(wheel: zipfile.ZipFile) -> None:
    required = [Requirement(line) for line in parse_metadata(wheel).get_all("Requires-Dist", [])]

    def names(extra: str) -> set[str]:
        return {one.name for one in required if one.marker is not None and one.marker.evaluate({"extra": extra})}

    extras = set(parse_metadata(wheel).get_all("Provides-Extra", [])) - {"all", "torch"}
    assert names("all") == set().union(*(names(extra) for extra in extras))
    assert names("torch") == {"torch"}
    assert "torch" not in names("all")


@pytest.mark.slow
def test_entry_points_name_what_the_wheel_holds(wheel: zipfile.ZipFile) -> None:
    groups = {"ga.providers": {"mock", "ssh"}, "ga.policies": POLICIES}
    found: dict[str, set[str]] = {}
    section = ""
    for line in read_metadata(wheel, "entry_points.txt").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line:
            name, value = line.split(" = ")
            entry = EntryPoint(name=name, value=value, group=section)
            assert f"{entry.module.replace('.', '/')}.py" in wheel.namelist()
            assert callable(entry.load())
            found.setdefault(section, set()).add(name)

    assert found == {"console_scripts": {"ga"}, **groups}


@pytest.mark.slow
def test_sdist_holds_what_building_and_testing_need(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {PurePosixPath(*PurePosixPath(name).parts[1:]).as_posix() for name in archive.getnames()}

    assert names >= {
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "NOTICE",
        "README.md",
        "pyproject.toml",
        "requirements.txt",
        "sample-configs/demo.yaml",
        "scripts/bootstrap.sh",
        "tests/integration/test_packaging.py",
    }


def read_pins() -> dict[str, tuple[str, str]]:
    """Name → (version, the whole block) of requirements.txt."""
    blocks = re.split(r"\n(?=[a-z])", "\n" + (ROOT / "requirements.txt").read_text())[1:]
    pins = {}
    for block in blocks:
        match = re.match(r"([a-z0-9.-]+)==(\S+)", block)
        assert match is not None, block
        pins[match[1]] = (match[2], block)
    return pins


def test_pinned_file_fits_the_project() -> None:
    """A dependency that was added or raised without `make lock` would reach users but not this project's own checks."""
    pins = read_pins()
    declared = [
        *PROJECT["project"]["dependencies"],
        *(
            line
            for extra, lines in PROJECT["project"]["optional-dependencies"].items()
            if extra not in ("all", "torch")
            for line in lines
        ),
        *PROJECT["dependency-groups"]["dev"],
    ]

    for requirement in map(Requirement, declared):
        version, _ = pins[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, requirement


def test_every_pin_has_hashes_and_none_an_address_or_pytorch() -> None:
    pins = read_pins()

    assert [name for name, (_, block) in pins.items() if "--hash=sha256:" not in block] == []
    assert re.search(r"://|--(extra-)?index-url|--find-links|file:", (ROOT / "requirements.txt").read_text()) is None
    assert "torch" not in pins
