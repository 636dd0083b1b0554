#!/usr/bin/env python3
"""Removes, one at a time, guards of the drivers and of the budget, and sees the simulator notice.

Each entry removes one guard from a copy of the sources and runs seeds until a checker fails. Exits with 1 if
one of them goes unnoticed. `make races` runs all, `tests/races.py NAME…` some; it takes about half a minute for each.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = "6000"
DRIVER = "crates/pool/src/driver/"

# Name, file, what is there, what takes its place.
RACES = [
    (
        "a server goes back with a cancel request under way",
        DRIVER + "endings.rs",
        "            server.cancels += 1;\n",
        "",
    ),
    (
        "a server that somebody took at once is taken home all the same",
        DRIVER + "servers.rs",
        ".filter(|server| server.home.is_none())",
        "",
    ),
    (
        "a server that moves stays with the worker it left",
        DRIVER + "servers.rs",
        "self.shell.unwatch_server(&mut server.stream, earlier)?;",
        "",
    ),
    (
        "a server that its client lost keeps its connection of the budget",
        DRIVER + "outbox.rs",
        "        self.release(shell, now, permit);\n    }\n\n    /// Gives a connection back",
        "        let _ = permit;\n    }\n\n    /// Gives a connection back",
    ),
    (
        "a pool that the budget denied is not told of room",
        DRIVER + "outbox.rs",
        "shell.budget(|budget| budget.release(permit));\n        self.feed(shell, now);",
        "shell.budget(|budget| budget.release(permit));",
    ),
    (
        "a pool that is hungry is never served before a busy rival",
        DRIVER + "outbox.rs",
        "        self.press(shell, now);\n",
        "",
    ),
]


def main():
    wanted = sys.argv[1:]
    races = [race for race in RACES if not wanted or any(word in race[0] for word in wanted)]
    with tempfile.TemporaryDirectory(prefix="pgweir-races-") as folder:
        copy = pathlib.Path(folder) / "pgweir"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git", "node_modules"))
        environment = dict(os.environ, CARGO_TARGET_DIR=str(ROOT / "target" / "races"))
        unnoticed = [name for name, *race in races if not notices(copy, environment, name, *race)]
    for name in unnoticed:
        print(f"NOT NOTICED: {name}")
    print(f"{len(races) - len(unnoticed)} passed, {len(unnoticed)} failed")
    return 1 if unnoticed else 0


def notices(copy, environment, name, path, there, instead):
    """Whether some seed fails once `there` is `instead`."""
    source = copy / path
    original = source.read_text()
    if original.count(there) != 1:
        print(f"{name}: {path} has {original.count(there)} places that read\n{there}")
        return False
    source.write_text(original.replace(there, instead))
    try:
        build = ["cargo", "build", "--quiet", "--release", "-p", "pgweir-sim"]
        built = subprocess.run(build, cwd=copy, env=environment, capture_output=True, text=True)
        if built.returncode != 0:
            print(f"{name}: does not compile\n{built.stderr}")
            return False
        binary = pathlib.Path(environment["CARGO_TARGET_DIR"]) / "release" / "pgweir-sim"
        command = [str(binary), "--level", "path", "--seeds", SEEDS]
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
    finally:
        source.write_text(original)
    if run.returncode == 0:
        return False
    lines = run.stderr.splitlines()
    seen = next((at for at, line in enumerate(lines) if "panicked at" in line), 0)
    print(f"noticed: {name}\n    {' '.join(lines[seen + 1 : seen + 2])[:160]}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
