"""The command `ga`: one error boundary around the command line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Expected failure: its own exit code and no traceback. ^C: 130. A bug of ours: 3, with a traceback in a file."""
    from gacli.errors import GaError

    try:
        from gacli.cli.app import app

        # Typer does not raise its Exit but returns the code, and it takes ^C to be one.
        sys.exit(app(standalone_mode=False))
    except GaError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not trip over it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        sys.exit(_usage_or_bug(error))


def _usage_or_bug(error: Exception) -> int:
    # Imported here: only a run that fails this way needs it.
    import typer

    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, typer.Abort):
        return 130
    # Newer typers have a click of their own whose UsageError they do not export: it is the base of what they do.
    usage_error: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
    if isinstance(error, usage_error):
        error.show()
        return 2
    import traceback

    from gacli.folders import Folders

    folders = Folders.of_user()
    path = folders.root / "internal-error.txt"
    try:
        folders.make()
        path.write_text(traceback.format_exc())
        where = str(path)
    except OSError:
        traceback.print_exc()
        where = "the lines above"
    _say(f"internal error: {type(error).__name__}: {error}\n  → please report it with {where}")
    return 3


def _say(message: str) -> None:
    text = f"ga: {message}"
    if sys.stderr.isatty():
        import shutil

        columns = shutil.get_terminal_size().columns
        text = "\n".join(_wrapped(line, columns) for line in text.splitlines())
    print(text, file=sys.stderr)


def _wrapped(line: str, columns: int) -> str:
    """A line for a terminal; paths and words stay whole, so that they can be clicked and copied."""
    import textwrap

    return textwrap.fill(line, columns, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
