#!/usr/bin/env python3
"""Checks the structure of the workspace: which crate may depend on what, and which modules on each other.

Without an argument it checks this repository. `--report` prints the size of each crate and its longest
circle of imports; `--self-test` tests the checks themselves. Each crate's clippy.toml says what it may not
use of the standard library; deny.toml says which libraries no crate may use.
"""

import dataclasses
import pathlib
import re
import sys
import tomllib
from collections.abc import Iterator

import rust_imports

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The picture: which of our crates each of our crates may depend on.
OWN = {
    "wire": set(),
    "sql": set(),
    "pool": {"wire", "sql"},
    "settings": set(),
    "config": {"settings", "wire"},
    "telemetry": {"pool", "sql"},
    "console": {"wire", "sql", "pool", "settings", "telemetry"},
    "http": {"telemetry"},
    "pam": set(),
    "proxy": {"wire", "sql", "pool", "settings", "config", "telemetry", "console", "http", "pam"},
    "advisor": {"settings"},
    "sources": {"advisor", "settings"},
    "doctor": {"advisor", "settings", "sql"},
    "cli": {"advisor", "cluster", "config", "doctor", "http", "pam", "proxy", "settings", "sources", "telemetry", "wire"},
    "sqlx": {"settings"},
    "cluster": set(),
    "sim": {"pool", "wire"},
    "bench-rig": {"wire"},
    "e2e": {"cluster", "wire"},
}
# Additional dependencies of their tests, examples and benches.
OWN_IN_TESTS = {"proxy": {"e2e"}, "sqlx": {"e2e"}}

# Libraries that do I/O, read a clock or make random numbers, and the crates that may use them.
IMPURE = {
    "mio": {"proxy", "bench-rig"},
    "tokio": {"proxy", "http", "cli", "sqlx", "e2e"},
    "async-std": set(),
    "smol": set(),
    "socket2": {"proxy", "http"},
    "if-addrs": {"proxy"},
    "dns-lookup": {"proxy"},
    "libloading": {"pam"},
    "rustix": {"proxy", "http", "cli", "cluster", "sqlx", "bench-rig", "e2e"},
    "axum": {"http", "sqlx"},
    "jsonwebtoken": {"http", "e2e"},
    "hyper": {"http", "cli"},
    "hyper-util": {"http", "cli"},
    "tokio-rustls": {"proxy", "http", "cli", "e2e"},
    "rustls": {"proxy", "http", "cli", "e2e"},
    "rand": set(),
    "fastrand": set(),
    "getrandom": {"proxy", "http", "cli", "cluster"},
}
# Crates that may not depend on one of those even indirectly.
PURE = {"wire", "sql", "pool", "settings", "config", "telemetry", "console", "advisor", "sources", "doctor", "sim"}

# What this file disallows, the clippy.toml of every pure crate must disallow. For telemetry a moment is data, and
# only asking for the current one is disallowed; the simulator is a program with arguments.
CLIPPY = "crates/wire/clippy.toml"
CLIPPY_EXCEPT = {"telemetry": {"std::time::SystemTime"}, "console": {"std::time::SystemTime"}}
WITHOUT_CLIPPY = {"sim"}

# Where modules may not import each other in a circle. Modules are compared with their siblings, each with
# everything below it; a module and its own children may import each other.
WITHOUT_CIRCLES = ["proxy", "http", "telemetry", "console", "pool", "config", "settings", "advisor", "sources", "doctor", "cli::top"]

# What breaks a rule today. An entry that is no longer needed is reported.
# Dependencies: a crate, and what it depends on.
KNOWN_DEPENDENCIES: set[tuple[str, str]] = set()
# Imports that close a circle: the importing module, and the imported one.
KNOWN_IMPORTS: set[tuple[str, str]] = set()

PREFIX = "pgweir-"
# A table of dependencies, one of them, or a dependency with a table of its own.
TABLE = re.compile(r"\[(?:target\.[^\]]*\.)?((?:dev-|build-)?dependencies)(?:\.([\w-]+))?\]")


@dataclasses.dataclass
class Known:
    """The exceptions, and which of them were needed."""

    dependencies: set[tuple[str, str]]
    imports: set[tuple[str, str]]
    used: set[tuple[str, str]] = dataclasses.field(default_factory=set)

    def unused(self) -> list[str]:
        rest = sorted((self.dependencies | self.imports) - self.used)
        return [
            f"tests/structure.py: the exception {a} -> {b} is no longer needed: remove it" for a, b in rest
        ]


@dataclasses.dataclass
class Crate:
    """One of our crates and what its manifest says."""

    name: str
    folder: pathlib.Path
    # Dependency, its line in the manifest, and whether only tests have it.
    dependencies: list[tuple[str, int, bool]]

    def roots(self) -> list[pathlib.Path]:
        places = [self.folder / "src" / name for name in ("lib.rs", "main.rs")]
        return [place for place in places if place.exists()]


def crates(root: pathlib.Path) -> list[Crate]:
    manifests = sorted(root.glob("crates/*/Cargo.toml"))
    manifests += [place for place in [root / "bench/rig/Cargo.toml", root / "tests/Cargo.toml"] if place.exists()]
    return [read_manifest(manifest) for manifest in manifests]


def read_manifest(manifest: pathlib.Path) -> Crate:
    text = manifest.read_text()
    parsed = tomllib.loads(text)
    found = []
    for holder in [parsed, *parsed.get("target", {}).values()]:
        for table in ("dependencies", "build-dependencies", "dev-dependencies"):
            for key, value in holder.get(table, {}).items():
                package = value.get("package", key) if isinstance(value, dict) else key
                found.append((package, line_of(text, table, key), table == "dev-dependencies"))
    name = parsed["package"]["name"].removeprefix(PREFIX)
    return Crate(name, manifest.parent, found)


def line_of(text: str, table: str, key: str) -> int:
    """The line of a manifest where a table names a dependency."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if header := TABLE.fullmatch(line.strip()):
            inside = header[1] == table
            if inside and header[2] == key:
                return number
        elif line.startswith("["):
            inside = False
        elif inside and re.match(rf'"?{re.escape(key)}"?\s*[.=]', line):
            return number
    return 1


def check_dependencies(root: pathlib.Path, known: Known) -> Iterator[str]:
    below = locked(root)
    for crate in crates(root):
        manifest = (crate.folder / "Cargo.toml").relative_to(root)
        if crate.name not in OWN:
            yield f"{manifest}:1: crate {crate.name} is not in the picture: add it to OWN in tests/structure.py"
            continue
        for package, line, in_tests in crate.dependencies:
            own = package.removeprefix(PREFIX) if package.startswith(PREFIX) else None
            allowed = OWN[crate.name] | (OWN_IN_TESTS.get(crate.name, set()) if in_tests else set())
            reason = None
            if own and own not in allowed:
                may = ", ".join(sorted(allowed)) or "none"
                reason = f"may not depend on {own} (of our crates: {may})"
            elif not own and crate.name not in IMPURE.get(package, {crate.name}):
                may = ", ".join(sorted(IMPURE[package])) or "no crate"
                reason = f"may not depend on {package} ({may} may)"
            elif not own and not in_tests and crate.name in PURE:
                chain = way_to_impure(package, below)
                reason = chain and f"may not depend on {chain[-1]}, which comes with {' -> '.join(chain)}"
            if reason and (crate.name, own or package) in known.dependencies:
                known.used.add((crate.name, own or package))
            elif reason:
                use = first_use(crate, package)
                where = f", first used at {use[0].relative_to(root)}:{use[1]}" if use else ""
                yield f"{manifest}:{line}: {crate.name} {reason}{where}"


def locked(root: pathlib.Path) -> dict[str, set[str]]:
    """What each library depends on, over all its versions in Cargo.lock."""
    lock = root / "Cargo.lock"
    found: dict[str, set[str]] = {}
    for package in tomllib.loads(lock.read_text()).get("package", []) if lock.exists() else []:
        names = {dependency.split()[0] for dependency in package.get("dependencies", [])}
        found.setdefault(package["name"], set()).update(names)
    return found


def way_to_impure(package: str, below: dict[str, set[str]]) -> list[str] | None:
    """The shortest chain of dependencies from a library to an impure one."""
    queue, seen = [[package]], {package}
    while queue:
        chain = queue.pop(0)
        if chain[-1] in IMPURE:
            return chain
        for name in sorted(below.get(chain[-1], set()) - seen):
            seen.add(name)
            queue.append([*chain, name])
    return None


def check_clippy(root: pathlib.Path) -> Iterator[str]:
    expected = disallowed(root / CLIPPY)
    for crate in crates(root):
        if crate.name not in PURE - WITHOUT_CLIPPY:
            continue
        place = crate.folder / "clippy.toml"
        missing = expected - disallowed(place) - CLIPPY_EXCEPT.get(crate.name, set())
        if missing:
            some = ", ".join(sorted(missing)[:3])
            yield f"{place.relative_to(root)}:1: must disallow what {CLIPPY} disallows ({some}): copy that file"


def disallowed(place: pathlib.Path) -> set[str]:
    parsed = tomllib.loads(place.read_text()) if place.exists() else {}
    lists = (parsed.get(f"disallowed-{what}", []) for what in ("types", "methods", "macros"))
    return {entry["path"] for entries in lists for entry in entries}


def first_use(crate: Crate, package: str) -> tuple[pathlib.Path, int] | None:
    name = package.replace("-", "_")
    for source in sorted(crate.folder.glob("src/**/*.rs")):
        for token, after in zip(found := rust_imports.tokens(source.read_text()), found[1:]):
            if token.text == name and after.text == "::":
                return source, token.line
    return None


Edges = dict[str, dict[str, tuple[pathlib.Path, int]]]


def levels(module: rust_imports.Module, name: str) -> Iterator[Edges]:
    """For every module, which of its children import which. A child stands for everything below it."""
    graph = rust_imports.imports(module.root())
    for parent in module.walk():
        path = "::".join([name, *names_below(parent, module)])
        owner = {}
        for child in parent.children.values():
            for inner in child.walk():
                owner.setdefault(inner.file, f"{path}::{child.name}")
        # An inline module belongs to its parent.
        owner.pop(parent.file, None)
        edges: Edges = {node: {} for node in sorted(set(owner.values()))}
        for file in sorted(owner):
            for target, line in sorted(graph[file].items()):
                if target in owner and owner[target] != owner[file]:
                    first = edges[owner[file]].get(owner[target], (file, line))
                    edges[owner[file]][owner[target]] = min(first, (file, line))
        yield edges


def names_below(module: rust_imports.Module, ancestor: rust_imports.Module) -> list[str]:
    if module is ancestor:
        return []
    return [*names_below(module.parent, ancestor), module.name]


def shortest_way(edges: Edges, start: str, end: str) -> list[str] | None:
    queue, seen = [[start]], {start}
    while queue:
        way = queue.pop(0)
        if way[-1] == end:
            return way
        for node in edges.get(way[-1], {}):
            if node not in seen:
                seen.add(node)
                queue.append([*way, node])
    return None


def circles(edges: Edges) -> list[set[str]]:
    """The sets of modules that all reach each other, largest first."""
    found, placed = [], set()
    reached = {node: {other for other in edges if shortest_way(edges, node, other)} for node in edges}
    for node in edges:
        if node not in placed:
            together = {other for other in reached[node] if node in reached[other]}
            placed |= together
            found += [together] if len(together) > 1 else []
    return sorted(found, key=len, reverse=True)


def without(edges: Edges, dropped: set[tuple[str, str]]) -> Edges:
    return {a: {b: place for b, place in to.items() if (a, b) not in dropped} for a, to in edges.items()}


def start(root: pathlib.Path, name: str) -> rust_imports.Module | None:
    """The module of a name such as cli::top, read with all of its crate."""
    crate, *path = name.split("::")
    source = root / "crates" / crate / "src"
    file = next((source / file for file in ("lib.rs", "main.rs") if (source / file).exists()), None)
    module = rust_imports.read_crate(file) if file else None
    for part in path:
        module = module.children.get(part) if module else None
    return module


def check_circles(root: pathlib.Path, known: Known) -> Iterator[str]:
    for name in WITHOUT_CIRCLES:
        module = start(root, name)
        for edges in levels(module, name) if module else []:
            rest = without(edges, known.imports)
            for together in circles(rest):
                yield show_circle(root, rest, together)
            for a, b in known.imports:
                if b in edges.get(a, {}) and shortest_way(rest, b, a):
                    known.used.add((a, b))


def show_circle(root: pathlib.Path, edges: Edges, together: set[str]) -> str:
    """The shortest circle among modules that reach each other, with the import of each step."""
    inside = {a: {b: edges[a][b] for b in edges[a] if b in together} for a in sorted(together)}
    ways = [way for a in inside for b in inside[a] if (way := shortest_way(inside, b, a))]
    way = min(ways, key=len)
    lines = [f"{len(together)} modules import each other in a circle: move the item that one of these imports needs"]
    for a, b in zip(way[-1:] + way, way):
        file, line = edges[a][b]
        lines.append(f"  {file.relative_to(root)}:{line}: {a} imports {b}")
    return "\n".join(lines)


def report(root: pathlib.Path) -> None:
    print(f"{'crate':10} {'files':>6} {'lines':>7} {'tests':>7} {'longest circle':>15}")
    total = [0, 0, 0]
    for crate in crates(root):
        sources = sorted(crate.folder.glob("**/*.rs"))
        lines = sum(source.read_text().count("\n") for source in sources)
        tests = sum(lines_of_tests(source, crate.folder) for source in sources)
        longest = 0
        for place in crate.roots():
            for edges in levels(rust_imports.read_crate(place), crate.name):
                longest = max([longest, *map(len, circles(edges))])
        print(f"{crate.name:10} {len(sources):6} {lines:7} {tests:7} {longest or '-':>15}")
        total = [total[0] + len(sources), total[1] + lines, total[2] + tests]
    print(f"{'all':10} {total[0]:6} {total[1]:7} {total[2]:7}")


def lines_of_tests(source: pathlib.Path, folder: pathlib.Path) -> int:
    text = source.read_text()
    inner = source.relative_to(folder).parts
    if inner[0] != "src" or "tests" in inner or source.name == "tests.rs":
        return text.count("\n")
    inline = re.search(r"^#\[cfg\(test\)\]\nmod tests \{", text, re.MULTILINE)
    return text[inline.start() :].count("\n") if inline else 0


def check(root: pathlib.Path, known: Known) -> list[str]:
    problems = [*check_dependencies(root, known), *check_clippy(root), *check_circles(root, known)]
    return problems + known.unused()


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        import structure_self_test

        return structure_self_test.main()
    if sys.argv[1:] == ["--report"]:
        report(ROOT)
        return 0
    if sys.argv[1:]:
        print(f"usage: {sys.argv[0]} [--report | --self-test]", file=sys.stderr)
        return 2
    known = Known(KNOWN_DEPENDENCIES, KNOWN_IMPORTS)
    problems = check(ROOT, known)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        exceptions = len(known.dependencies) + len(known.imports)
        print(f"the structure of {len(crates(ROOT))} crates is as allowed, with {exceptions} exceptions")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
