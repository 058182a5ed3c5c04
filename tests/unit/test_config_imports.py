"""Reading a configuration stays light."""

from __future__ import annotations

import grimp


def test_configuration_needs_no_heavy_package() -> None:
    graph = grimp.build_graph("gacli", include_external_packages=True, cache_dir=None)
    upstream = graph.find_upstream_modules("gacli.config", as_package=True)
    assert {"pydantic", "yaml", "gacli.core.site"} <= upstream
    assert not {"numpy", "paramiko", "sklearn", "rich", "typer", "sqlite3", "subprocess", "socket"} & upstream
