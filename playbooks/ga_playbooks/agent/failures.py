"""What went wrong, for the controller and for the log."""

from __future__ import annotations

import errno

from .files import Json


def failure(error: str, problem: BaseException) -> Json:
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        error = "disk_full"
    return {"ok": False, "error": error, "detail": str(problem)}


def trace(problem: BaseException) -> str:
    """Where it was raised, without the text of the lines: the zip that they are in may have been replaced since."""
    lines = ["%s: %s" % (type(problem).__name__, problem)]
    at = problem.__traceback__
    while at:
        code = at.tb_frame.f_code
        lines.append("  at %s:%d, in %s" % (code.co_filename, at.tb_lineno, code.co_name))
        at = at.tb_next
    return "\n".join(lines) + "\n"
