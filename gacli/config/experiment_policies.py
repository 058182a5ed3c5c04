"""The policies of an experiment: one by one, or every combination of the values in a grid."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import Final

from gacli.config.document import as_written
from gacli.config.experiment_checks import BASELINE
from gacli.config.experiment_model import ExperimentConfig, ExperimentPolicyConfig
from gacli.config.policies import PolicyProblems, build
from gacli.config.problems import Problem
from gacli.core.decision import Policy

_MOST: Final = 1000


def policies(config: ExperimentConfig) -> tuple[dict[str, Policy], list[Problem]]:
    """The policies by label, those that can be built, and what is wrong with the others."""
    sites = [site.name for site in config.sites]
    built: dict[str, Policy] = {}
    found: list[Problem] = []
    for index, asked in enumerate(config.policies):
        refused = list(_refused(asked))
        if not refused:
            for chosen in product(*(range(len(values)) for values in asked.grid.values())):
                refused += _add(asked, dict(zip(asked.grid, chosen, strict=True)), sites, built)
        # What is wrong with one value is wrong in all of its combinations, and told once.
        once = {(problem.loc, problem.text): problem for problem in refused}
        found += [Problem(loc=("policies", index, *problem.loc), text=problem.text) for problem in once.values()]
    return built, found


def _refused(asked: ExperimentPolicyConfig) -> Iterator[Problem]:
    if asked.label == BASELINE and asked.name != BASELINE:
        yield Problem(loc=("label",), text=f'found "{BASELINE}", the name of the baseline; choose another label')
    for key in asked.grid:
        if key in asked.parameters:
            yield Problem(loc=("grid", key), text=f"found beside `{key}` of the policy itself; expected one of them")
        elif key in ExperimentPolicyConfig.model_fields:
            yield Problem(loc=("grid", key), text="is no parameter of a policy")
    combinations = math.prod(len(values) for values in asked.grid.values())
    if combinations > _MOST:
        yield Problem(loc=("grid",), text=f"these are {combinations:,} policies, expected at most {_MOST:,}")


def _add(
    asked: ExperimentPolicyConfig, chosen: Mapping[str, int], sites: Collection[str], built: dict[str, Policy]
) -> Iterator[Problem]:
    """One combination. chosen: by parameter, the position of its value in the grid."""
    values = {key: asked.grid[key][position] for key, position in chosen.items()}
    label = " ".join([asked.shown, *(f"{key}={as_written(value)}" for key, value in values.items())])
    if label in built:
        text = f'found "{label}" again; give each of several policies of one name a `label` of its own'
        yield Problem(loc=("grid",) if values else ("label" if asked.label else "name",), text=text)
        return
    alone = ExperimentPolicyConfig.model_validate({**asked.parameters, **values, "name": asked.name})
    try:
        built[label] = build(alone, sites)
    except PolicyProblems as error:
        for problem in error.problems:
            # A policy's own problems are told as if it were the only one, under the key `policy`.
            key, *further = problem.loc[1:] or ("",)
            position = chosen.get(str(key))
            loc = problem.loc[1:] if position is None else ("grid", key, position, *further)
            yield Problem(loc=loc, text=problem.text)
