"""Writes the picture of the live tables that the README shows, from a real run's store.

    python scripts/picture.py STATE_FOLDER JOB [TARGET.svg]

STATE_FOLDER is a `$GA_STATE_DIR`; JOB a job's id or name. The picture shows the job as it is at this moment.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from gacli.config import build
from gacli.engine.assembly import clock_of, loaded_of
from gacli.folders import Folders
from gacli.store import Store
from gacli.views.emissions import read_emissions
from gacli.views.job_view import read_job
from gacli.views.tables import dashboard

_WIDTH = 118
_TARGET = Path(__file__).parent.parent / "docs" / "images" / "tables.svg"
# The export names a font on somebody else's server: a picture in a README fetches nothing.
_FONT_FACE = re.compile(r"\s*@font-face\s*\{[^}]*\}")


def picture(folders: Folders, reference: str) -> str:
    """The SVG's text."""
    if not folders.database.exists():
        raise SystemExit(f"{folders.database}: expected ga's store, found no such file")
    store = Store(folders.database)
    job = store.jobs.find(reference)
    if job is None:
        raise SystemExit(
            f"{folders.database}: expected a job {reference}, found: {[j.job_id for j in store.jobs.all()]}"
        )
    loaded = loaded_of(job)
    sites = build.sites(loaded.config)
    view = read_job(
        store,
        job.job_id,
        sites,
        now=clock_of(job).now(),
        emissions=read_emissions(store, sites, job.job_id),
        max_age_s=loaded.config.carbon.max_age,
    )
    console = Console(width=_WIDTH, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(dashboard(view, _WIDTH))
    svg = console.export_svg(title=f"ga run {Path(job.config_path).name}", theme=MONOKAI, unique_id="ga")
    return _FONT_FACE.sub("", svg)


def main(arguments: list[str]) -> None:
    if len(arguments) not in (2, 3):
        raise SystemExit(__doc__)
    target = Path(arguments[2]) if len(arguments) == 3 else _TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture(Folders(Path(arguments[0]).absolute()), arguments[1]), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main(sys.argv[1:])
