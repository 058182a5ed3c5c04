#!/bin/sh
# Installs `ga` (editable) and everything pinned in requirements.txt into .venv. Repeating it is quick and harmless.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "install: $*" >&2
    exit 1
}

# A program counts only if it runs: a version manager's placeholder may be on PATH with nothing behind it.
is_suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

has_uv() {
    uv --version >/dev/null 2>&1
}

find_python() {
    for name in python3 python3.13 python3.12 python3.11; do
        if is_suitable "$name"; then
            echo "$name"
            return
        fi
    done
}

create_environment() {
    if has_uv; then
        uv venv --python '>=3.11' .venv
        return
    fi
    python=$(find_python)
    [ -n "$python" ] ||
        fail "needs Python 3.11 or newer, found $(python3 --version 2>/dev/null || echo none). Install it, or uv, and run again."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module. Install it (Debian, Ubuntu: apt-get install python3-venv) and run again."
    "$python" -m venv .venv
}

# uv's own pin is the block of hashes that requirements.txt has for it.
fetch_uv() {
    awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements.txt |
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r /dev/stdin
}

[ -e .venv ] || create_environment
is_suitable .venv/bin/python ||
    fail ".venv has no working Python 3.11 or newer. Remove the folder .venv and run again."

if has_uv; then
    uv=uv
else
    [ -x .venv/bin/uv ] || fetch_uv
    uv=.venv/bin/uv
fi

"$uv" pip install --quiet --python .venv/bin/python --require-hashes -r requirements.txt
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
echo "install: $(.venv/bin/python --version) with ga in .venv/bin"
