"""What a job's figures rest on: each interval with the reading that it was accounted under, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence

from gacli.core.baseline import Baseline
from gacli.core.basis import Basis
from gacli.core.carbon import Quality, Scope, Signal
from gacli.views import formatting as fmt
from gacli.views.wording import QUALITY_WORDS, saving

_SCOPE_WORDS = {Scope.LIFECYCLE: "life cycle", Scope.DIRECT: "direct", Scope.UNKNOWN: "emission factors not known"}


def basis_words(basis: Basis) -> str:
    """`average intensity (life cycle) from typical; readings estimated 100 % (typical days); energy modelled 12 %`."""
    sources = ", ".join(
        fmt.plain(source) + ("" if share > 99.95 else f" {fmt.percent(share)}")
        for source, share in sorted(basis.sources.items(), key=lambda item: -item[1])
    )
    kinds = ", ".join(
        QUALITY_WORDS[quality]
        for quality, share in basis.qualities.items()
        if quality is not Quality.MEASURED and share > 0
    )
    words = [intensity_words(basis.signals, basis.scopes) + (f" from {sources}" if sources else "")]
    words.append(f"readings estimated {fmt.percent(basis.estimated_percent)}" + (f" ({kinds})" if kinds else ""))
    words.append(f"energy modelled {fmt.percent(basis.modelled_percent)}")
    if basis.extrapolated_percent > 0:
        words.append(f"last known value held {fmt.percent(basis.extrapolated_percent)}")
    return "; ".join(words)


def intensity_words(signals: Sequence[Signal], scopes: Sequence[Scope]) -> str:
    """`average intensity (life cycle)`."""
    kinds = " and ".join(signal.value for signal in signals) or "unknown"
    factors = " and ".join(_SCOPE_WORDS[scope] for scope in scopes)
    return f"{kinds} intensity" + (f" ({factors})" if factors else "")


def claim(baseline: Baseline, emissions_g: float, basis: Basis) -> str:
    """The saving with everything that it rests on, on one line."""
    words = saving(baseline.site, baseline.emissions_g, emissions_g)
    return f"{words} [baseline: {baseline.policy} at {baseline.site}; {basis_words(basis)}]"
