#!/bin/sh
# Runs npm. A machine without it gets one from a Python wheel, in .tools, which nothing else uses.
set -eu
if ! npm --version >/dev/null 2>&1; then
    if [ ! -x .tools/bin/npm ]; then
        echo "No npm here: bringing one into .tools (once)" >&2
        python=$(sh tools/find_python.sh)
        "$python" -m venv .tools
        .tools/bin/python -m pip --disable-pip-version-check -qq install --require-hashes -r requirements-node.txt
    fi
    PATH="$PWD/.tools/bin:$PATH"
    export PATH
fi
exec npm "$@"
