"""The files that travel to machines, as they are there. Equal sources give equal bytes: machines tell them by hash."""

from __future__ import annotations

import functools
import importlib.resources
import importlib.util
import io
import zipfile
from pathlib import Path

from gacli.errors import GaError

_PACKAGE = "ga_agent"
_MAIN = f"import sys\n\nfrom {_PACKAGE}.__main__ import main\n\nsys.exit(main(sys.argv[1:]))\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@functools.cache
def agent_zip() -> bytes:
    """agent.pyz: the package ga_playbooks.agent as `ga_agent`, in a zip that python3 3.8 or newer runs.

    Plain source, since the machine's Python is not known; not compressed, since that needs one more import there.
    """
    sources = {"__main__.py": _MAIN.encode()}
    for file in importlib.resources.files("ga_playbooks.agent").iterdir():
        if file.name.endswith(".py"):
            sources[f"{_PACKAGE}/{file.name}"] = file.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same wherever it is built
            archive.writestr(entry, sources[name])
    return buffer.getvalue()


@functools.cache
def helper_source() -> bytes:
    """ga_trainer.py. Raises GaError when the installation lacks it."""
    return _module_source("ga_trainer")


@functools.cache
def nvml_binding_source() -> bytes:
    """pynvml.py, NVIDIA's binding of NVML: one file, pure Python. Raises GaError when the installation lacks it."""
    return _module_source("pynvml")


def _module_source(name: str) -> bytes:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise GaError(f"the installed module {name} has no file", hint="Install ga-cli again.")
    return Path(spec.origin).read_bytes()
