"""YAML file → validated configuration, or one error that lists everything to correct."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gacli.config import document as documents
from gacli.config.checks import disk_problems, problems
from gacli.config.document import Document, Loc
from gacli.config.models import Config
from gacli.config.problems import Problem, config_error, of_validation
from gacli.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedConfig:
    """A configuration with its text. path: absolute; relative paths in the file start at its folder."""

    path: Path
    document: Document
    config: Config

    @property
    def text(self) -> str:
        """The file's text; `parse` makes an equal configuration of it."""
        return self.document.text

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the text."""
        return self.document.sha256

    @property
    def base(self) -> Path:
        """Folder that relative paths in the file start at."""
        return self.path.parent

    @property
    def work_folder(self) -> Path:
        """The folder that is copied to each machine, absolute."""
        return (self.base / self.config.work).resolve()

    def where(self, loc: Loc) -> str:
        """`file:line` of a key such as `("sites", 1, "zone")`, or of the nearest enclosing one."""
        return self.document.where(loc)

    def error(self, *found: Problem) -> ConfigError:
        """A ConfigError about values of this file."""
        return config_error(self.document, found)


def load(path: Path) -> LoadedConfig:
    """Read, parse and check a configuration file and what it needs on disk. ConfigError lists every problem."""
    loaded = _validated(documents.read(path), path.absolute())
    if missing := disk_problems(loaded.config, loaded.base):
        raise loaded.error(*missing)
    return loaded


def parse(text: str, path: Path) -> LoadedConfig:
    """The same from stored text, with no look at the disk; `path` is where the text was read. ConfigError."""
    return _validated(documents.parse(text, str(path)), path.absolute())


# Files of other kinds, and the commands that take them.
_COMMANDS = {"experiment": "ga simulate", "sweep": "ga sweep"}


def _validated(document: Document, path: Path) -> LoadedConfig:
    kind = document.data.get("kind")
    if isinstance(kind, str) and kind in _COMMANDS:
        text = f"found `kind: {kind}`, expected the configuration of a job; run this one with: {_COMMANDS[kind]}"
        raise config_error(document, [Problem(loc=("kind",), text=text)])
    try:
        config = Config.model_validate(document.data)
    except ValidationError as error:
        raise config_error(document, of_validation(error, Config)) from None
    if found := problems(config):
        raise config_error(document, found)
    return LoadedConfig(path=path, document=document, config=config)
