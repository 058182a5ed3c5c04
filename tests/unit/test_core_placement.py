"""The placement's state machine: its paths, and what may never follow what."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from gacli.core.placement import PlacementState, check_transition, next_states, path

S = PlacementState

TARGET, SOURCE, COPY, START = (
    (S.TARGET_REQUESTED, S.TARGET_READY),
    (S.STOPPING, S.STOPPED),
    (S.COPYING, S.VERIFIED),
    (S.STARTING, S.CONFIRMED),
)
PATHS = {  # has_source, has_target, has_stored_checkpoint
    (True, True, False): (*TARGET, *SOURCE, *COPY, *START, S.RELEASING_SOURCE),
    (True, True, True): (*TARGET, *SOURCE, *COPY, *START, S.RELEASING_SOURCE),
    (False, True, False): (*TARGET, *START),
    (False, True, True): (*TARGET, *COPY, *START),
    (True, False, False): (*SOURCE, *COPY, S.RELEASING_SOURCE),
    (True, False, True): (*SOURCE, *COPY, S.RELEASING_SOURCE),
}
RESTART = (S.TARGET_READY, *START)
FAILURES = {
    **dict.fromkeys((S.PLANNED, *TARGET), S.ABANDONED),
    **dict.fromkeys((S.STOPPED, *COPY, S.STARTING), S.FAILED),
}


@pytest.mark.parametrize("kind", PATHS)
def test_path(kind: tuple[bool, bool, bool]) -> None:
    has_source, has_target, has_stored_checkpoint = kind
    states = path(has_source=has_source, has_target=has_target, has_stored_checkpoint=has_stored_checkpoint)
    assert states == (S.PLANNED, *PATHS[kind], S.FINISHED)


def test_no_path_from_nowhere_to_nowhere() -> None:
    with pytest.raises(ValueError, match="needs a source, a target, or both"):
        path(has_source=False, has_target=False, has_stored_checkpoint=True)


def test_exactly_the_paths_and_the_failures_are_allowed() -> None:
    allowed = {step for states in (*PATHS.values(), RESTART) for step in pairwise((S.PLANNED, *states, S.FINISHED))}
    allowed |= set(FAILURES.items())
    for old, new in product(S, S):
        assert (new in next_states(old)) is ((old, new) in allowed), f"{old} → {new}"


@pytest.mark.parametrize("state", S)
def test_final_states_are_the_ends(state: PlacementState) -> None:
    assert state.final is (state in (S.FINISHED, S.ABANDONED, S.FAILED))
    assert state.final is (not next_states(state))


def test_a_stopped_source_is_never_abandoned() -> None:
    """Once the source has been asked to stop, no way leads to ABANDONED any more."""
    reachable, found = set[PlacementState](), {S.STOPPING}
    while found:
        reachable |= found
        found = {later for state in found for later in next_states(state)} - reachable
    assert S.ABANDONED not in reachable
    assert {S.FINISHED, S.FAILED} <= reachable


def test_the_source_is_released_only_after_a_verified_copy() -> None:
    before_release = {state for state in S if S.RELEASING_SOURCE in next_states(state)}
    assert before_release == {S.VERIFIED, S.CONFIRMED}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (S.PLANNED, S.STARTING, "from planned to starting; allowed after planned: abandoned, stopping, target_ready"),
        (S.STOPPING, S.ABANDONED, "from stopping to abandoned; allowed after stopping: stopped"),
        (S.FINISHED, S.PLANNED, "from finished to planned; allowed after finished: nothing: it is final"),
        (S.COPYING, S.COPYING, "from copying to copying"),
    ],
)
def test_illegal_transition(old: PlacementState, new: PlacementState, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_transition(old, new)


def test_legal_transition() -> None:
    check_transition(S.PLANNED, S.TARGET_REQUESTED)
