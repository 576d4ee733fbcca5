# SPDX-License-Identifier: GPL-2.0
"""One program behind the commands scripts/test, scripts/run, scripts/costs and scripts/regression; its first argument
says which."""
import importlib
import sys

import core

COMMANDS = {"test": "test", "run": "run", "job": "job", "costs": "costs", "regression": "regression"}


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command not in COMMANDS:
        sys.exit(f"suite: name a command: {' '.join(COMMANDS)}")
    core.set_name(f"scripts/{command}")
    return core.run_main(importlib.import_module(COMMANDS[command]).main, sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
