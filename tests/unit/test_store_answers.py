"""What services have answered, kept for all jobs and commands of a state folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gacli.carbon.answers import MemoryAnswers
from gacli.errors import GaError
from gacli.ports.answers import Answer, AnswerCache
from gacli.store import answers as module
from gacli.store.answers import StoredAnswers


def answer(body: str, fetched_epoch_s: float = 100.0) -> Answer:
    return Answer(body=body, etag='"a"', last_modified="", fetched_epoch_s=fetched_epoch_s)


@pytest.fixture(params=["memory", "stored"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> AnswerCache:
    return MemoryAnswers() if request.param == "memory" else StoredAnswers(tmp_path / "answers.db")


def test_newest_answer_and_newest_pause_count(cache: AnswerCache) -> None:
    assert cache.get("GET x") is None
    assert cache.paused_until("x") == 0.0
    for number in (1, 2):
        cache.put("GET x", answer(f"body {number}"))
        cache.pause("x", 100.0 * number)
    assert cache.get("GET x") == answer("body 2")
    assert cache.paused_until("x") == 200.0
    assert (cache.get("GET y"), cache.paused_until("y")) == (None, 0.0)


def test_only_one_thread_fetches_the_same(cache: AnswerCache) -> None:
    inside: list[int] = []
    most: list[int] = []

    def fetch() -> None:
        for _ in range(20):
            with cache.alone("GET x"):
                inside.append(1)
                most.append(len(inside))
                cache.put("GET x", answer("body"))
                inside.pop()

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_another_process_finds_what_this_one_fetched(tmp_path: Path) -> None:
    StoredAnswers(tmp_path / "answers.db").put("GET x", answer("body"))
    again = StoredAnswers(tmp_path / "answers.db")
    assert again.get("GET x") == answer("body")
    again.close()


def test_oldest_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    cache = StoredAnswers(tmp_path / "answers.db")
    for number in range(5):
        cache.put(f"GET {number}", answer("body", fetched_epoch_s=float(number)))
    assert [number for number in range(5) if cache.get(f"GET {number}")] == [2, 3, 4]


def test_who_asks_nothing_has_no_file(tmp_path: Path) -> None:
    StoredAnswers(tmp_path / "answers.db").close()
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_cache_is_told(tmp_path: Path) -> None:
    (tmp_path / "answers.db").write_text("something else, and long enough to be no empty database file" * 20)
    with pytest.raises(GaError, match=r"answers\.db: cannot be used to keep what services answer"):
        StoredAnswers(tmp_path / "answers.db").get("GET x")
