#!/usr/bin/env python3
"""Checks that includes between modules follow ARCHITECTURE.md; fails with a sentence for each that does not."""

import pathlib
import re
import sys

# What a module may include of ours, beside itself.
MAY_INCLUDE = {
    "base": set(),
    "spec": {"base"},
    "store": {"base", "spec"},
    "environments": {"base", "spec"},
    "launch": {"base", "spec"},
    "engine": {"base", "spec", "store", "environments", "launch"},
    "api": {"base", "spec", "store", "engine"},
    "cli": {"base", "spec", "roost"},
    "trainer": {"base", "roost"},
    "roost": {"base", "spec"},  # sdk/cpp, included as "roost/..."
}
# Files that may include more: `roost serve` is where the server is put together.
ALSO_MAY_INCLUDE = {
    "src/cli/cmd_serve.cc": {"api", "engine", "environments", "launch", "store"},
    "src/cli/cmd_maintenance.cc": {"store"},
}
# Tests may use the fakes and real parts that their module is composed with.
TESTS_MAY_INCLUDE = {"engine": {"launch"}, "api": {"launch", "engine"}}
# Coroutines and the network library stay at the edge.
ONLY_IN_API = re.compile(r'#include\s+[<"](boost/(asio|beast)|coroutine)')
INCLUDE = re.compile(r'^\s*#include\s+"([a-z_]+)/[^"]+"', re.M)


def module_of(path: pathlib.PurePath) -> str:
    parts = path.parts
    return "roost" if parts[0] == "sdk" else parts[1]


def problems(root: pathlib.Path):
    files = sorted(
        f for pattern in ("src/*/**/*", "sdk/cpp/**/*") for f in root.glob(pattern) if f.suffix in (".h", ".cc")
    )
    if len(files) < 50:
        yield f"only {len(files)} source files were found below {root}: the check looks in the wrong place"
    for file in files:
        path = file.relative_to(root)
        module = module_of(path)
        text = file.read_text()
        allowed = {module} | MAY_INCLUDE[module] | ALSO_MAY_INCLUDE.get(str(path), set())
        if file.stem.endswith(("_test", "_test_support")):
            allowed |= TESTS_MAY_INCLUDE.get(module, set())
        for used in INCLUDE.findall(text):
            if used in MAY_INCLUDE and used not in allowed:
                yield f"{path} includes {used}/, but {module} may only use {', '.join(sorted(MAY_INCLUDE[module])) or 'nothing of ours'}"
        if module != "api" and ONLY_IN_API.search(text):
            yield f"{path} uses Asio, Beast or coroutines, which live in src/api alone"


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    found = list(problems(root))
    for sentence in found:
        print(sentence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
