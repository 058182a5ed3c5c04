#!/bin/sh
# Builds the wheel, installs it with the extra `all` into an empty environment outside the checkout, and uses it from there.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
finish() {
    code=$?
    if [ "$code" -eq 0 ]; then
        rm -rf "$work"
    else
        echo "wheel-test: failed; its files are kept in $work" >&2
    fi
}
trap finish EXIT
trap 'exit 130' INT TERM

.venv/bin/python -m build --no-isolation --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    exit 1
}
wheel=$(echo "$work"/dist/*.whl)

# Only what the wheel itself asks for, in the pinned versions and with their hashes: the environment shows what it forgot.
.venv/bin/uv venv --quiet --python .venv/bin/python "$work/venv"
.venv/bin/uv pip install --quiet --python "$work/venv/bin/python" --constraints requirements.txt "ga-cli[all] @ file://$wheel"

cp -R sample-configs "$work/sample-configs"
cd "$work"
ga=$work/venv/bin/ga
export GA_STATE_DIR="$work/state"

"$ga" --help >/dev/null
"$ga" schema | venv/bin/python -m json.tool >/dev/null
echo "wheel-test: running the demo from $(basename "$wheel")"
"$ga" run sample-configs/demo.yaml --json >run.jsonl
tail -n 1 run.jsonl | venv/bin/python -c '
import json, sys
summary = json.load(sys.stdin)
if summary.get("event") != "summary" or summary.get("migrations", 0) < 2:
    sys.exit(f"wheel-test: expected a summary with at least 2 migrations, found: {summary}")
print("wheel-test: the demo moved {migrations} times and ended {status}".format(**summary))
'
