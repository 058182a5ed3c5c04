"""What was emitted: by site and phase, in total, and against the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from gacli.core.carbon import Signal
from gacli.core.energy import Phase
from gacli.store.ledger import LedgerTotal
from gacli.views import formatting as fmt
from gacli.views.emissions import Emissions
from gacli.views.section import Section, columns, line, panel
from gacli.views.wording import basis, saving

_PHASES = (Phase.TRAIN, Phase.CHECKPOINT, Phase.TRANSFER, Phase.IDLE, Phase.BOOT)
# Columns of the display from which there is room for the time.
_WIDE = 100


def emissions_panel(emissions: Emissions, signals: Sequence[Signal], width: int, *, table: bool = True) -> Section:
    """table: by site and phase, else only the sums."""
    account = emissions.account
    unit = fmt.mass_unit(max(account.emissions_g, 0.0 if account.baseline is None else account.baseline.emissions_g))
    lines: list[RenderableType] = []
    rows = 0
    if table and account.totals:
        names = list(dict.fromkeys(total.site for total in account.totals))
        lines.append(_table(account.totals, names, unit, wide=width >= _WIDE))
        rows += 1 + len(names) + 1
    else:
        lines.append(line(f"{fmt.energy(account.energy_j)}, {fmt.mass(account.emissions_g)} emitted so far"))
        rows += 1
    lines.append(_against(emissions))
    return panel(
        f"emissions ({unit.name} CO₂eq)" if table else "emissions", lines, rows + 1, note=basis(emissions, signals)
    )


def _table(totals: Sequence[LedgerTotal], names: Sequence[str], unit: fmt.MassUnit, *, wide: bool) -> RenderableType:
    phases = [phase for phase in _PHASES if any(total.phase is phase for total in totals)]
    table = columns(gap=2, expand=False)
    table.add_column("site", no_wrap=True, overflow="ellipsis", min_width=8, max_width=24 if wide else 14)
    if wide:
        table.add_column("time", justify="right", no_wrap=True)
    table.add_column("energy", justify="right", no_wrap=True)
    for phase in phases:
        table.add_column(phase.value, justify="right", no_wrap=True, min_width=6)
    table.add_column("total", justify="right", no_wrap=True, min_width=6)
    for name in [*names, None]:
        own = [total for total in totals if name is None or total.site == name]
        style = "bold" if name is None else ""
        cells = [Text("all sites" if name is None else name, style=style)]
        if wide:
            cells.append(Text(fmt.duration(sum(total.time_s for total in own)), style=style))
        cells.append(Text(fmt.energy(sum(total.energy_j for total in own)), style=style))
        cells += [Text(_sum(own, unit, phase), style=style or "dim") for phase in phases]
        cells.append(Text(_sum(own, unit, None), style="bold"))
        table.add_row(*cells)
    return table


def _sum(totals: Sequence[LedgerTotal], unit: fmt.MassUnit, phase: Phase | None) -> str:
    chosen = [total for total in totals if phase is None or total.phase is phase]
    return unit.cell(sum(total.emissions_g for total in chosen)) if chosen else "·"


def _against(emissions: Emissions) -> Text:
    baseline, saved_g = emissions.account.baseline, emissions.saved_g
    if baseline is None or saved_g is None:
        return line(("nothing to compare with before the first step", "dim"))
    words = saving(baseline.site, baseline.emissions_g, emissions.account.emissions_g)
    return line((words, "bold green" if saved_g > 0 else "bold yellow" if saved_g < 0 else "bold"))
