"""One call of the agent on a machine: a verb in, one JSON object out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ga_playbooks.layout import JobFolder
from gacli.errors import (
    CheckpointInvalid,
    CommandFailed,
    DiskFull,
    GaError,
    LockHeld,
    PeerKeyChanged,
    StaleGeneration,
    TransferUnreachable,
)
from gacli.ports.host import Host

Answer = TypeVar("Answer", bound=BaseModel)

HASHING_TIMEOUT_S = 2 * 3600.0
"""Reading every byte of a large checkpoint from a slow disk takes long and is no sign of a dead machine."""

# -I, -S: nothing that is installed there, or set in the environment, may slow the agent down or break it.
_CALL = """
if [ ! -f "$1/agent.pyz" ]; then echo '{"ok": false, "error": "not_prepared"}'; exit 0; fi
job=$1 verb=$2; shift 2
exec python3 -I -S "$job/agent.pyz" "$verb" "$@" --job-dir "$job"
"""


class NotPrepared(GaError):
    """The machine knows nothing of the job: it was never prepared there, or it was torn down."""


_ERRORS: Mapping[str, type[GaError]] = {
    "locked": LockHeld,
    "stale_generation": StaleGeneration,
    "disk_full": DiskFull,
    "invalid": CheckpointInvalid,
    "mismatch": CheckpointInvalid,
    "not_prepared": NotPrepared,
    "no_offer": TransferUnreachable,
    "no_admission": TransferUnreachable,
    "peer_unreachable": TransferUnreachable,
    "peer_key_changed": PeerKeyChanged,
    "peer_disk_full": DiskFull,
}
_SENTENCES: Mapping[str, str] = {
    "locked": "a trainer of this job is alive (last generation started: {recorded})",
    "stale_generation": "generation {recorded} has already been started or has ended",
    "disk_full": "not enough free space: {detail}",
    "invalid": "the checkpoint has no usable manifest: {detail}",
    "mismatch": "files differ from the checkpoint's manifest: {bad}",
    "not_prepared": "the job has no folder on this machine",
    "spawn_failed": "the training command could not be started: {detail}",
    "setup_failed": "it ended with exit code {exit_code}:\n{tail}",
    "unknown_generation": "this generation was never started here (last: {recorded})",
    "no_offer": "a direct copy could not be begun: {detail}",
    "no_admission": "no other machine can be let in: {detail}",
    "peer_unreachable": "the copy to the other machine did not come through: {detail}",
    "peer_key_changed": "the other machine's host key is not the pinned one: {detail}",
    "peer_disk_full": "the other machine has no space left: {detail}",
    "still_running": "{detail} of the job could not be killed",
}
_HINTS: Mapping[str, str] = {
    "setup_failed": "Correct the step in `setup:` of the configuration; finished steps are not run again.",
    "not_prepared": "Prepare the machine first.",
    "disk_full": "Free some space there, or take a site with a larger disk.",
}


def ask(
    host: Host,
    job: JobFolder,
    verb: str,
    *arguments: str,
    expect: type[Answer],
    stdin: Mapping[str, object] | None = None,
    timeout_s: float = 60.0,
    what: str = "",
) -> Answer:
    """Run `agent.pyz VERB` and parse its answer.

    what: what was being done, for messages. Raises the error that the agent's answer stands for (LockHeld,
    StaleGeneration, DiskFull, CheckpointInvalid, NotPrepared, GaError), CommandFailed when it gave none, GaError when
    the answer is not what `expect` says, and whatever the host raises.
    """
    payload = b"" if stdin is None else json.dumps(stdin).encode()
    argv = ["sh", "-c", _CALL, "sh", job.path, verb, *arguments]
    done = host.run(argv, stdin=payload, timeout_s=timeout_s)
    if done.exit_code != 0:
        raise CommandFailed(
            command=f"agent.pyz {' '.join([verb, *arguments])}",
            host=host.label,
            exit_code=done.exit_code,
            stdout=done.stdout.decode(errors="replace"),
            stderr=done.stderr.decode(errors="replace"),
        )
    return parse_answer(done.stdout, where=f"{host.label}: {what or f'agent {verb}'}", expect=expect)


def parse_answer(output: bytes, *, where: str, expect: type[Answer]) -> Answer:
    """The agent's JSON object as `expect`; raises as `ask` says."""
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise GaError(
            f'{where}: expected one JSON object with "ok" from the agent, found {_excerpt(output)}',
            hint="Something on the machine prints to standard output of non-interactive shells (a .bashrc?).",
        )
    if not answer["ok"]:
        raise _error(answer, where)
    try:
        return expect.model_validate(answer)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise GaError(
            f"{where}: the agent's answer cannot be used: {key}: {first['msg']}, found {_excerpt(first['input'])}",
            hint="The agent's files on the machine may have been damaged.",
        ) from problem


def _error(answer: Mapping[str, object], where: str) -> GaError:
    error = str(answer.get("error"))
    values = {key: _shown(value) for key, value in answer.items()}
    sentence = _SENTENCES.get(error, "{error}: {detail}")
    for key in ("recorded", "detail", "bad", "exit_code", "tail"):
        values.setdefault(key, "nothing said")
    return _ERRORS.get(error, GaError)(f"{where}: {sentence.format_map(values)}", hint=_HINTS.get(error, ""))


def _shown(value: object) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - 5} more" if len(value) > 5 else ""
        return ", ".join(map(str, value[:5])) + more
    return str(value)


def _excerpt(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
