"""The manifest: its definition, and that it notices any change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ga_trainer

# Every save waits for the disk, however long that takes.
on_a_disk = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def fill(folder: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def expected_digest(content: dict[str, bytes]) -> str:
    """The definition of docs/architecture.md, written anew."""
    lines = [
        name.encode() + b"\x00" + str(len(data)).encode() + b"\x00" + hashlib.sha256(data).hexdigest().encode() + b"\n"
        for name, data in sorted(content.items(), key=lambda item: item[0].encode())
    ]
    return hashlib.sha256(b"".join(lines)).hexdigest()


def test_manifest_is_as_architecture_md_defines_it(tmp_path: Path) -> None:
    content = {"weights.bin": b"\x00\x01" * 300, "deep/er/state.json": b"{}", ".hidden": b"", "ünï": b"x"}
    fill(tmp_path, content)
    assert ga_trainer.seal(tmp_path, 120) == 603
    assert json.loads((tmp_path / "manifest.json").read_text()) == {
        "format": 1,
        "step": 120,
        "files": [
            {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(content.items())
        ],
        "sha256": expected_digest(content),
    }


parts = st.text(alphabet="abcXYZ019._- ä", min_size=1, max_size=5).filter(lambda part: part not in (".", ".."))
contents = st.dictionaries(st.lists(parts, min_size=1, max_size=3).map("/".join), st.binary(max_size=40), min_size=1)


def fits_a_folder(content: dict[str, bytes]) -> bool:
    """No path is both a file and a folder, and none is the manifest's."""
    return "manifest.json" not in content and not any(
        other.startswith(name + "/") for name in content for other in content
    )


@on_a_disk
@given(contents.filter(fits_a_folder), st.integers(0, 999_999_999))
def test_digest_is_of_the_content_alone(content: dict[str, bytes], step: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for number, order in enumerate((content, dict(reversed(content.items())))):
            folder = Path(scratch) / str(number) / f"step-{step:09d}"
            folder.mkdir(parents=True)
            fill(folder, order)
            assert ga_trainer.seal(folder, step) == sum(map(len, content.values()))
            assert ga_trainer.verify(folder) == ga_trainer.Checkpoint(step, folder, expected_digest(content))


def differs(file: Path, before: bytes) -> bool:
    """Spaces between a manifest's values mean nothing."""
    if file.name == "manifest.json":
        with contextlib.suppress(ValueError):
            return bool(json.loads(file.read_bytes()) != json.loads(before))
    return file.read_bytes() != before


@on_a_disk
@given(contents.filter(fits_a_folder), st.data())
def test_any_changed_byte_is_noticed(content: dict[str, bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "step-000000001"
        folder.mkdir()
        fill(folder, content)
        ga_trainer.seal(folder, 1)
        victim = folder / data.draw(st.sampled_from([*sorted(content), "manifest.json"]))
        before = victim.read_bytes()
        place = data.draw(st.integers(0, len(before)))
        victim.write_bytes(before[:place] + data.draw(st.sampled_from([b"", b"\x07"])) + before[place + 1 :])
        with pytest.raises(ValueError, match=r".") if differs(victim, before) else contextlib.nullcontext():
            ga_trainer.verify(folder)
