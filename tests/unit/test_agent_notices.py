"""When a machine is taken: what is read from times, HTTP answers, DMI fields and files, and what stands of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_playbooks.agent.clouds import Azure, Ec2, Gce, Notice, parse_time
from ga_playbooks.agent.metadata import parse_answer
from ga_playbooks.agent.notices import Notices, Source

NOW_S = 1_795_000_000.0
AT_S = datetime(2026, 11, 21, 10, 30, 5, tzinfo=UTC).timestamp()
AZURE = "7783-7084-3265-9085-8269-3286-77"


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("2026-11-21T10:30:05Z", AT_S),
        (" 2026-11-21T10:30:05z\n", AT_S),
        ("2026-11-21T10:30:05+00:00", AT_S),
        ("2026-11-21T12:30:05+02:00", AT_S),
        ("2026-11-21T10:30:05", AT_S),
        ("2026-11-21T10:30:05.250000Z", AT_S + 0.25),
        ("Sat, 21 Nov 2026 10:30:05 GMT", AT_S),
        ("1795257005", 1_795_257_005.0),
        ("1795257005.5\n", 1_795_257_005.5),
        *((text, None) for text in ("", "\n", "soon", "null", "None", "nan", "inf", "-inf", "1e400", "-5")),
        ("120", None),  # from now on: 1970 is not meant
        ("1795257005000", None),  # milliseconds
        ("0001-01-01T00:00:00+14:00", None),
        ("Sat, 31 Feb 2026 10:30:05 GMT", None),
        ("Sat, 21 Nov 2026 10:30:05 CET", None),
        ("2026-11-21T25:00:00Z", None),
    ],
)
def test_a_time_is_read_as_each_provider_writes_it(text: str, expected_s: float | None) -> None:
    assert parse_time(text) == expected_s


@given(st.text(max_size=40))
def test_no_text_is_taken_for_an_absurd_time(text: str) -> None:
    found_s = parse_time(text)
    assert found_s is None or 1e9 <= found_s < 1e11


@given(st.datetimes(datetime(2002, 1, 1), datetime(2200, 1, 1)).map(lambda moment: moment.replace(microsecond=0)))  # noqa: DTZ001
def test_one_moment_is_the_same_in_all_three_ways(moment: datetime) -> None:
    expected_s = moment.replace(tzinfo=UTC).timestamp()
    written = (f"{moment.isoformat()}Z", moment.strftime("%a, %d %b %Y %H:%M:%S GMT"), f"{expected_s:.0f}")
    assert [parse_time(text) for text in written] == [expected_s] * 3


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nTRUE", (200, "TRUE")),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", (404, "")),
        (b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\nuntil it closes", (200, "until it closes")),
        (b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nTR\r\n2;x=y\r\nUE\r\n0\r\n\r\n", (200, "TRUE")),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", (301, "")),
    ],
)
def test_a_whole_answer_is_understood(received: bytes, expected: tuple[int, str]) -> None:
    assert parse_answer(received) == expected


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"TRUE",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nTRUE",
        b"HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\nTRUE",
        b"HTTP/1.1 OK\r\n\r\nTRUE",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nTRUE\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nTRUE\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nTRUE\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nTRUE",
    ],
)
def test_what_is_no_whole_answer_is_refused(received: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever step finds it
        parse_answer(received)


@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"]),
)
def test_no_bytes_break_the_reader(rest: bytes, head: bytes) -> None:
    try:
        status, _ = parse_answer(head + rest)
    except ValueError:
        return
    assert -99 <= status <= 999


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sys_vendor": "Amazon EC2", "product_name": "g5.xlarge", "chassis_asset_tag": "Amazon EC2"}, [Ec2]),
        ({"sys_vendor": "Xen", "product_name": "HVM domU", "bios_version": "4.11.amazon"}, [Ec2]),
        ({"sys_vendor": "Xen", "product_name": "HVM domU", "bios_version": "4.13.0"}, []),
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, [Gce, Gce]),
        ({"sys_vendor": "Google", "product_name": "Eve"}, []),
        (
            {"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine", "chassis_asset_tag": AZURE},
            [Azure],
        ),
        ({"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine", "chassis_asset_tag": "None"}, []),
        ({"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)"}, []),
        ({}, []),
    ],
)
def test_the_firmware_says_whose_machine_it_is(tmp_path: Path, fields: dict[str, str], expected: list[type]) -> None:
    for name, value in fields.items():
        (tmp_path / name).write_text(value + "\n")
    (tmp_path / "product_serial").write_bytes(b"\xff")
    sources = Notices({}, dmi=str(tmp_path)).cloud_sources()
    assert [type(getattr(source, "__self__", None)) for source in sources] == expected


def test_where_there_is_nothing_to_look_at_no_thread_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.Thread", None)
    for environment in ({}, {"GA_PREEMPTION_NOTICE": ""}):
        notices = Notices(environment, dmi=str(tmp_path / "absent"))
        notices.watch()
        assert notices.taken_at_s is None


def test_a_machine_without_threads_to_spare_goes_on_without_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    Notices({"GA_PREEMPTION_NOTICE": str(tmp_path / "notice")}).watch()


def said(*notices: Notice) -> Source:
    return lambda: list(notices)


def unreachable() -> list[Notice]:
    raise OSError("connection refused")


def test_without_a_time_it_counts_from_first_sight() -> None:
    notices, source = Notices({}), said(Notice("a", None, 30.0))
    for passed_s in (0.0, 5.0, 500.0):
        notices.look([source], NOW_S + passed_s)
        assert notices.taken_at_s == NOW_S + 30.0


def test_a_time_named_later_counts_and_stays_when_it_is_no_longer_named() -> None:
    notices = Notices({})
    for named_s, expected_s in (
        (None, NOW_S + 30),
        (NOW_S + 90, NOW_S + 90),
        (None, NOW_S + 90),
        (NOW_S + 9, NOW_S + 9),
    ):
        notices.look([said(Notice("a", named_s, 30.0))], NOW_S)
        assert notices.taken_at_s == expected_s


def test_a_notice_that_is_withdrawn_and_given_again_is_a_new_one() -> None:
    notices, source = Notices({}), said(Notice("a", None, 30.0))
    notices.look([source], NOW_S)
    notices.look([said()], NOW_S + 5)
    assert notices.taken_at_s is None
    notices.look([source], NOW_S + 10)
    assert notices.taken_at_s == NOW_S + 40


def test_the_first_of_several_ends_counts() -> None:
    notices = Notices({})
    notices.look(
        [said(Notice("a", NOW_S + 50, 30.0), Notice("b", None, 30.0)), said(Notice("a", NOW_S + 20, 30.0))], NOW_S
    )
    assert notices.taken_at_s == NOW_S + 20
    notices.look([said(Notice("b", None, 30.0)), said()], NOW_S + 5)
    assert notices.taken_at_s == NOW_S + 30


def test_silence_neither_makes_nor_withdraws_a_notice_and_hides_nobody_else() -> None:
    notices = Notices({})
    notices.look([unreachable, unreachable], NOW_S)
    assert notices.taken_at_s is None
    notices.look([unreachable, said(Notice("a", None, 30.0))], NOW_S)
    notices.look([unreachable, unreachable], NOW_S + 60)
    assert notices.taken_at_s == NOW_S + 30


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, []),
        (lambda path: path.touch(), [None]),
        (lambda path: path.write_text("2026-11-21T10:30:05Z\n"), [AT_S]),
        (lambda path: path.write_text(f"{AT_S}"), [AT_S]),
        (lambda path: path.write_text("maintenance window"), [None]),
        (lambda path: path.write_bytes(b"\xff\x00" * 100_000), [None]),
        (lambda path: path.mkdir(), [None]),
        (lambda path: path.symlink_to("absent"), []),
        (lambda path: os.mkfifo(path), [None]),  # nobody writes to it: to open it would take for ever
        (lambda path: path.parent.rmdir(), []),
        (lambda path: (path.parent.rmdir(), path.parent.touch()), []),
    ],
    ids=[
        "absent",
        "empty",
        "iso",
        "epoch",
        "words",
        "binary",
        "folder",
        "dangling",
        "pipe",
        "no-folder",
        "under-a-file",
    ],
)
def test_that_the_file_exists_is_the_notice(
    tmp_path: Path, make: Callable[[Path], object], expected: list[float | None]
) -> None:
    path = tmp_path / "job" / "notice"
    path.parent.mkdir()
    make(path)
    notices = Notices({"GA_PREEMPTION_NOTICE": str(path)})
    found = notices.file_notices()
    assert [notice.at_s for notice in found] == expected
    notices.look([notices.file_notices], NOW_S)
    assert notices.taken_at_s == (None if not expected else expected[0] or NOW_S + 30)
