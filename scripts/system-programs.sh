#!/bin/sh
# Makes sure that rsync and OpenSSH (client and server) are there: the mock provider runs a private sshd for each machine.
# Missing ones are installed through the system's package manager if that needs no password, and named otherwise.
set -eu

missing_programs() {
    for program in rsync ssh ssh-keygen; do
        command -v "$program" >/dev/null || printf '%s ' "$program"
    done
    # sshd is often in a folder that only root has on PATH.
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v sshd >/dev/null || printf 'sshd '
}

find_manager() {
    for manager in apt-get dnf zypper apk pacman brew; do
        if command -v "$manager" >/dev/null; then
            echo "$manager"
            return
        fi
    done
}

# package_of MANAGER PROGRAM
package_of() {
    case $1:$2 in
        *:rsync) echo rsync ;;
        pacman:* | brew:*) echo openssh ;;
        *:sshd) echo openssh-server ;;
        apk:ssh-keygen) echo openssh-keygen ;;
        apt-get:* | apk:*) echo openssh-client ;;
        *) echo openssh-clients ;;
    esac
}

# install_command MANAGER: what a user would type, less the packages
install_command() {
    case $1 in
        apt-get) echo "apt-get install -y --no-install-recommends" ;;
        dnf) echo "dnf install -y" ;;
        zypper) echo "zypper --non-interactive install" ;;
        apk) echo "apk add" ;;
        pacman) echo "pacman -S --noconfirm" ;;
        brew) echo "brew install" ;;
    esac
}

missing=$(missing_programs)
[ -n "$missing" ] || exit 0

manager=$(find_manager)
if [ -z "$manager" ]; then
    echo "missing: ${missing% }. Install rsync and OpenSSH (client and server), and run again." >&2
    exit 1
fi

packages=
for program in $missing; do
    package=$(package_of "$manager" "$program")
    case "$packages " in
        *" $package "*) ;;
        *) packages="$packages $package" ;;
    esac
done
command=$(install_command "$manager")$packages

if [ "$manager" = brew ] || [ "$(id -u)" -eq 0 ]; then
    privilege=
elif sudo -n true 2>/dev/null; then
    privilege="sudo -n"
else
    echo "missing: ${missing% }. Install with: sudo $command" >&2
    exit 1
fi

echo "missing: ${missing% }. Installing with: $command"
PATH=$PATH:/usr/sbin:/sbin
# These variables are lists of words of our own, to be split.
# shellcheck disable=SC2086
if [ "$manager" = apt-get ]; then
    $privilege apt-get update -qq </dev/null
    $privilege env DEBIAN_FRONTEND=noninteractive $command </dev/null
else
    $privilege $command </dev/null
fi

missing=$(missing_programs)
if [ -n "$missing" ]; then
    echo "still missing after \"$command\": ${missing% }" >&2
    exit 1
fi
