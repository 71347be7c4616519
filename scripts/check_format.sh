#!/usr/bin/env bash
# Fails, naming the files, when a C++ source is not formatted as .clang-format says.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=$(git ls-files 'src/*.h' 'src/*.cc' 'sdk/cpp/*.h' 'sdk/cpp/*.cc' 'bench/*.cc' 'bench/*.h' |
  xargs -r -n 64 -P 2 clang-format --dry-run -Werror 2>&1 | grep -oE '^[^:]+\.(h|cc)' | sort -u || true)
[ -z "$bad" ] || { printf 'not formatted (run clang-format -i): %s\n' $bad; exit 1; }
echo "format: all files conform"
