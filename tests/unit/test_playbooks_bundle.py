"""The zip that the agent travels in."""

from __future__ import annotations

import ast
import io
import zipfile
from pathlib import Path

import ga_playbooks.agent
from ga_playbooks.bundle import agent_zip, helper_source

FOLDER = Path(ga_playbooks.agent.__file__).parent


def opened() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(agent_zip()))


def test_it_holds_every_module_as_it_is_and_nothing_else() -> None:
    expected = {f"ga_agent/{path.name}": path.read_bytes() for path in FOLDER.glob("*.py")}
    with opened() as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    main = packed.pop("__main__.py")
    assert packed == expected
    ast.parse(main, feature_version=(3, 8))


def test_equal_sources_give_equal_bytes() -> None:
    first = agent_zip()
    agent_zip.cache_clear()
    assert agent_zip() == first
    with opened() as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {(entry.date_time, entry.create_system, entry.external_attr) for entry in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 3, 0o644 << 16)
        }


def test_it_is_not_compressed_so_that_a_poll_need_not_inflate_it() -> None:
    with opened() as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_helper_is_the_installed_one() -> None:
    assert helper_source() == (FOLDER.parents[1] / "ga_trainer.py").read_bytes()
