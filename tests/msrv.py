#!/usr/bin/env python3
"""Checks the crates' minimum Rust version (rust-version) against their dependencies and sources.

It needs no older compiler. Clippy's lint incompatible_msrv covers additions to the standard library.
It does not notice a dependency that states no version, or code for which only a later compiler infers
types or lifetimes.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Features, and the Rust version with them if it differs. SQLx 0.9 needs a later one than the rest.
BUILDS = [("pgweir-sqlx/axum", None), ("pgweir-sqlx/axum,pgweir-sqlx/sqlx-0_9", "1.94")]

# Additions to the language that a crate without unsafe code can use: version, name, pattern, example.
LANGUAGE = [
    ("1.89", "an inferred array length", r";\s*_\s*\]", "[0; _]"),
    ("1.95", "if let in a match guard", r"(?:\)|\b(?!(?:else|return|in|move|break)\b)\w+)\s+if\s+let\b", "Some(a) if let Ok(b) = f(a) => b,"),
    ("1.95", "cfg_select!", r"\bcfg_select!", "cfg_select! {"),
]


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))[:2]


def dependencies(features: str) -> tuple[str, list[dict]]:
    """The Rust version that the crates state, and all dependencies with these features."""
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--format-version=1", "--locked", f"--features={features}"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    stated = {packages[member]["rust_version"] for member in metadata["workspace_members"]}
    if len(stated) != 1 or None in stated:
        sys.exit(f"the crates state different Rust versions: {stated}")
    members = set(metadata["workspace_members"])
    return stated.pop(), [packages[node["id"]] for node in metadata["resolve"]["nodes"] if node["id"] not in members]


def sources() -> list[pathlib.Path]:
    listed = subprocess.run(["git", "ls-files", "*.rs"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


def main() -> int:
    problems = []
    for features, other in BUILDS:
        stated, packages = dependencies(features)
        bound = other or stated
        asked = [package for package in packages if package["rust_version"]]
        problems += [
            f'{package["name"]} {package["version"]} needs Rust {package["rust_version"]}, but the crates state {bound}'
            for package in asked
            if version(package["rust_version"]) > version(bound)
        ]
        silent = len(packages) - len(asked)
        print(f"Rust {bound} is enough for {len(asked)} dependencies with {features}; {silent} state no version")
    for since, name, pattern, example in LANGUAGE:
        expression = re.compile(pattern)
        assert expression.search(example), f"{pattern} does not find {example}"
        if version(since) <= version(stated):
            continue
        for path in sources():
            # Comments are removed without changing line numbers.
            text = re.sub(r"//.*", "", path.read_text())
            for found in expression.finditer(text):
                line = text.count("\n", 0, found.end()) + 1
                problems.append(f"{path.relative_to(ROOT)}:{line}: {name} needs Rust {since}, but the crates state {stated}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
