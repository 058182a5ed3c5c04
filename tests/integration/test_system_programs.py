"""scripts/system-programs.sh on made-up machines: a folder of stand-ins is all it finds on PATH."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "system-programs.sh"
PROGRAMS = ("rsync", "ssh", "ssh-keygen", "sshd")
SHELL_TOOLS = ("sh", "env", "true", "chmod", "basename")

# Notes how it was called; `install` then brings every program that it was made to bring.
PACKAGE_MANAGER = """#!/bin/sh
echo "$(basename "$0") $*" >>"{log}"
for program in {brings}; do : >"{bin}/$program"; chmod +x "{bin}/$program"; done
"""


class Machine:
    def __init__(self, root: Path) -> None:
        self.bin = root / "bin"
        self.log = root / "calls.log"
        self.bin.mkdir()
        for tool in SHELL_TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def add(self, name: str, text: str = "#!/bin/sh\n") -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def add_manager(self, name: str, *, brings: tuple[str, ...] = ()) -> None:
        self.add(name, PACKAGE_MANAGER.format(log=self.log, bin=self.bin, brings=" ".join(brings) or '""'))

    def become(self, user_id: int) -> None:
        self.add("id", f"#!/bin/sh\necho {user_id}\n")

    def check(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / "sh", SCRIPT],
            env={**os.environ, "PATH": str(self.bin)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.become(1000)
    return made


def test_nothing_is_said_or_installed_when_all_programs_are_there(machine: Machine) -> None:
    for program in PROGRAMS:
        machine.add(program)
    machine.add_manager("apt-get")

    result = machine.check()

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert machine.calls() == []


def test_root_gets_the_missing_packages_each_once(machine: Machine) -> None:
    machine.add("sshd")
    machine.become(0)
    machine.add_manager("apt-get", brings=PROGRAMS)

    result = machine.check()

    assert result.returncode == 0, result.stderr
    assert machine.calls() == ["apt-get update -qq", "apt-get install -y --no-install-recommends rsync openssh-client"]


def test_sudo_is_used_when_it_asks_no_password(machine: Machine) -> None:
    machine.add("sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    for program in ("ssh", "ssh-keygen", "sshd"):
        machine.add(program)
    machine.add_manager("dnf", brings=("rsync",))

    assert machine.check().returncode == 0
    assert machine.calls() == ["dnf install -y rsync"]


def test_a_package_that_brings_too_little_is_an_error(machine: Machine) -> None:
    machine.add("sshd")
    machine.become(0)
    machine.add_manager("apt-get", brings=("rsync",))

    result = machine.check()

    assert result.returncode == 1
    assert result.stderr.endswith(": ssh ssh-keygen\n")


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "apt-get install -y --no-install-recommends rsync openssh-client"),
        ("dnf", "dnf install -y rsync openssh-clients"),
        ("zypper", "zypper --non-interactive install rsync openssh-clients"),
        ("apk", "apk add rsync openssh-client openssh-keygen"),
        ("pacman", "pacman -S --noconfirm rsync openssh"),
    ],
)
def test_without_permission_one_line_names_programs_and_command(machine: Machine, manager: str, command: str) -> None:
    machine.add("sshd")
    machine.add_manager(manager)

    result = machine.check()

    assert result.returncode == 1
    assert result.stderr == f"missing: rsync ssh ssh-keygen. Install with: sudo {command}\n"
    assert machine.calls() == []


def test_without_a_package_manager_one_line_names_what_is_missing(machine: Machine) -> None:
    machine.add("sshd")

    result = machine.check()

    assert result.returncode == 1
    assert result.stderr == (
        "missing: rsync ssh ssh-keygen. Install rsync and OpenSSH (client and server), and run again.\n"
    )
