#!/usr/bin/env bash
# Builds the stock FIX engine that the `quickfix` test trades with (PyPI quickfix, from its source package, about four
# minutes of one core) and installs it where the test looks for it. What is built is kept outside the repository, so that
# a second run is a matter of a second. Fails if the engine cannot be had.
set -euo pipefail
version=1.16.0
cache=${RIALTO_QUICKFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/rialto-quickfix}
venv=$cache/venv

usable() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" - "$version" <<'PYTHON'
import importlib.metadata, sys
import quickfix
sys.exit(importlib.metadata.version("quickfix") != sys.argv[1])
PYTHON
}

mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
if usable 2> /dev/null; then
    exit 0
fi
rm -rf "$venv"
python3 -m venv "$venv"
if ! ls "$cache"/wheels/quickfix-"$version"-*.whl > /dev/null 2>&1; then
    "$venv/bin/pip" wheel --quiet --no-deps --wheel-dir "$cache/wheels" "quickfix==$version"
fi
"$venv/bin/pip" install --quiet --no-index --find-links "$cache/wheels" "quickfix==$version"
usable
