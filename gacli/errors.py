"""Expected failures. Each class owns its exit code; the message says what was expected, what was found, and where."""

from __future__ import annotations

from typing_extensions import override


class GaError(Exception):
    """An expected failure: exit code 1, no traceback.

    message: what was expected, what was found and where. hint: what to do next, one sentence, may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @override
    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class ConfigError(GaError):
    """The configuration or the command line cannot be used: exit code 2. Message begins with file:line:key."""

    exit_code = 2


class TraceError(GaError):
    """A carbon trace cannot be trusted as it is; names file, line and column. Exit code 2: it is configuration."""

    exit_code = 2


class CarbonUnavailable(GaError):
    """A carbon source has no usable value for a zone and time."""


class HostUnreachable(GaError):
    """No SSH connection to a host could be made or kept. Says nothing about whether the host is alive."""


class HostKeyChanged(GaError):
    """A host presented another key than the pinned one. Never retried."""


class AuthenticationFailed(GaError):
    """The host refused every key offered."""


class CommandFailed(GaError):
    """A command ran and failed: carries the command, the host, its exit code and both streams (bytes decoded)."""

    def __init__(
        self, *, command: str, host: str, exit_code: int, stdout: str = "", stderr: str = "", hint: str = ""
    ) -> None:
        self.command = command
        self.host = host
        self.status = exit_code
        self.stdout = stdout
        self.stderr = stderr
        tail = "\n".join((stderr.strip() or stdout.strip()).splitlines()[-8:])
        super().__init__(
            f"{host}: `{command}` ended with exit code {exit_code}" + (f":\n{tail}" if tail else ""),
            hint=hint,
        )


class NoCapacity(GaError):
    """The provider has no machine for us at this site now; another site may."""


class CheckpointInvalid(GaError):
    """A checkpoint's files do not match its manifest."""


class TransferUnreachable(GaError):
    """A machine could not bring a checkpoint straight to another one; through the controller it may go."""


class PeerKeyChanged(TransferUnreachable):
    """The machine that a checkpoint was to go to showed its peer another host key than the pinned one."""


class DiskFull(GaError):
    """Not enough free space where a checkpoint or the work folder should go."""


class LockHeld(GaError):
    """The machine's job lock is held: a trainer of this job is alive there."""


class StaleGeneration(GaError):
    """A newer generation has already been started on the machine."""
