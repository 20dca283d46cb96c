#!/usr/bin/env bash
# The Python client's tests and every notebook from start to end, against a real server.
# Usage: tests/notebooks.sh [BINARY]. Needs Python 3 with venv; its packages come from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/release/whereof}
environment=target/notebooks
folder=$(mktemp -d)
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

if ! cmp -s examples/requirements.txt "$environment/requirements.txt"; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r examples/requirements.txt
    cp examples/requirements.txt "$environment/requirements.txt"
fi

"$binary" serve --listen 127.0.0.1:0 --data-dir "$folder/data" --drain-seconds 1 2>"$folder/log" &
server=$!
address=
for _ in $(seq 200); do
    address=$(sed -n 's/.*listening address=\([0-9.:]*\).*/\1/p' "$folder/log")
    [ -z "$address" ] || break
    kill -0 "$server" 2>/dev/null || { cat "$folder/log"; exit 1; }
    sleep 0.05
done
[ -n "$address" ] || { cat "$folder/log"; exit 1; }
export WHEREOF_SERVER=http://$address

# The program, for the tests that run it; from here on the folder may change.
WHEREOF_BINARY=$(realpath "$binary")
export WHEREOF_BINARY PYTHONDONTWRITEBYTECODE=1

# The client is what the API's document says, and reads nothing that it does not say.
"$environment/bin/python" clients/python/generate.py --check
"$environment/bin/mypy" --strict --ignore-missing-imports --cache-dir "$folder/mypy" \
    clients/python/whereof.py clients/python/generate.py
(cd clients/python && "../../$environment/bin/python" -m unittest -v)
for notebook in examples/*.ipynb; do
    printf '%s\n' "$notebook"
    # Executes in place of a person; nothing is written back.
    "$environment/bin/jupyter-execute" --timeout=600 "$notebook"
done
