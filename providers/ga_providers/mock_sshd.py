"""The OpenSSH server of a mock VM: its configuration, and one `sshd -i` per connection."""

from __future__ import annotations

import ctypes
import os
import pwd
import shlex
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from ga_providers.mock_folder import VmFolder
from gacli.errors import GaError
from gacli.transport.keys import make_key
from gacli.transport.process import run_checked

_PRIVILEGE_SEPARATION = Path("/run/sshd")
_SUPERUSER_PATHS = ":/usr/sbin:/usr/local/sbin:/sbin"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def find_sshd() -> str:
    """Absolute path of sshd; GaError when it is not installed."""
    program = shutil.which("sshd", path=os.environ.get("PATH", os.defpath) + _SUPERUSER_PATHS)
    if program is None:
        raise GaError(
            "`sshd` is not installed on this machine; mock sites need it",
            hint="install it, for instance: sudo apt-get install openssh-server (or: sudo dnf install openssh-server)",
        )
    return program


def login_user() -> str:
    """The only user a mock VM lets in: ourselves."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise GaError(f"user id {os.getuid()} has no name in /etc/passwd; sshd needs one") from None


def prepare(folder: VmFolder, *, instance_id: str, public_key: str) -> Path:
    """Write the VM's keys, home and sshd configuration (whose path is returned), and have sshd check them."""
    if os.getuid() == 0:
        # Made at boot by the system's own sshd service, which need not run here.
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    folder.home.mkdir(mode=0o700, exist_ok=True)
    make_key(folder.host_key_file, comment=instance_id)
    login = folder.path / "login"
    login.write_text(_login_script())
    login.chmod(0o700)
    # The wrapper belongs to the key, not to the server: keys that come into the home's own file, as a checkpoint's
    # transfer lets one in, bring a command of their own, which a ForceCommand would override.
    authorized = folder.path / "authorized_keys"
    authorized.write_text(f"command={_quoted(shlex.quote(str(login)))} {public_key}\n")
    own = folder.home / ".ssh" / "authorized_keys"
    # Set before the user's login shell starts, so that it reads nothing from the user's real home. Energy is never
    # metered: that would be this machine's.
    environment = {"HOME": str(folder.home), "GA_METER": "model", **folder.marks(instance_id)}
    config = folder.path / "sshd_config"
    config.write_text(
        f"""HostKey {_quoted(str(folder.host_key_file))}
AuthorizedKeysFile {" ".join(_quoted(str(path)).replace("%", "%%") for path in (authorized, own))}
SetEnv {" ".join(_quoted(f"{name}={value}") for name, value in environment.items())}
AllowUsers {login_user()}
PidFile none
UsePAM no
StrictModes no
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
AllowTcpForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
PrintMotd no
PrintLastLog no
UseDNS no
MaxSessions 100
"""
    )
    run_checked([find_sshd(), "-t", "-f", str(config)])
    return config


def serve(connection: socket.socket, config: Path, log: Path) -> int:
    """Give an accepted connection to an sshd of its own, which dies with us; its process id."""
    program = find_sshd()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.dup2(connection.fileno(), 0)
            os.dup2(connection.fileno(), 1)
            argv = [program, "-i", "-f", str(config), "-E", str(log)]
            os.execve(program, argv, {"PATH": os.environ.get("PATH", os.defpath)})  # noqa: S606 - no shell on purpose
    finally:
        os._exit(127)


def adopt_orphans() -> None:
    """Become the parent of every orphan among our descendants, as a machine's init is."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _login_script() -> str:
    # `python` and `python3` are then the interpreter that has ga's own environment.
    programs = shlex.quote(str(Path(sys.executable).parent))
    return f"""#!/bin/sh
export PATH={programs}:"$PATH"
cd "$HOME" || exit 255
exec /bin/sh -c "${{SSH_ORIGINAL_COMMAND:-exec /bin/sh -i}}"
"""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
