"""The controller's key pair."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gacli.transport.keys import key_pair
from gacli.transport.process import run_checked


def test_made_once_whoever_comes_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        pairs = list(pool.map(lambda _: key_pair(tmp_path / "state"), range(6)))
    assert len(set(pairs)) == 1
    assert key_pair(tmp_path / "state") == pairs[0]


def test_private_key_is_for_its_owner_and_matches(tmp_path: Path) -> None:
    pair = key_pair(tmp_path)
    assert stat.S_IMODE(pair.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(pair.key_file.parent.stat().st_mode) == 0o700
    derived = run_checked(["ssh-keygen", "-y", "-f", str(pair.key_file)]).stdout.decode().split()
    assert pair.public_key.split()[:2] == derived[:2]


def test_half_a_pair_is_made_anew(tmp_path: Path) -> None:
    old = key_pair(tmp_path)
    old.key_file.unlink()
    new = key_pair(tmp_path)
    assert new.public_key != old.public_key
    assert new.key_file.is_file()
