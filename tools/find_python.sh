#!/bin/sh
# Prints a Python that is new enough and can make virtual environments, or says what to install.
# PYTHON=/path/to/python3 make setup   chooses one.
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 python3.14}; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        command -v "$candidate"
        exit 0
    fi
done
found=$(python3 --version 2>/dev/null || echo "no python3 at all")
cat >&2 <<EOT
Taskroom needs Python 3.11 or newer with venv, and found: $found.
  Debian, Ubuntu:  apt-get install python3 python3-venv
  macOS:           brew install python@3.12
  one of your own: PYTHON=/path/to/python3 make setup
EOT
exit 1
