"""Runs tests/structure.py on small source trees: what it must report, and what it must accept."""

import pathlib
import sys
import tempfile
import textwrap

import structure

LIB = "crates/proxy/src/lib.rs"
A = "crates/proxy/src/a.rs"
B = "crates/proxy/src/b.rs"
C = "crates/proxy/src/c.rs"

# A claim, the files of the tree, the exceptions, and a part of each expected problem.
CASES = [
    ("modules that import downwards pass", {LIB: "mod a;\nmod b;", A: "use crate::b::X;", B: "pub struct X;"}, set(), []),
    (
        "two modules that import each other are a circle",
        {LIB: "mod a;\nmod b;", A: "use crate::b::X;", B: "\nuse super::a::Y;"},
        set(),
        ["crates/proxy/src/a.rs:1: proxy::a imports proxy::b\n  crates/proxy/src/b.rs:2: proxy::b imports proxy::a"],
    ),
    (
        "a circle of three is shown with every step",
        {LIB: "mod a;\nmod b;\nmod c;", A: "use crate::{b::X, c};", B: "use crate::c::Z;", C: "use crate::a::{self, Y};"},
        set(),
        ["3 modules import each other in a circle"],
    ),
    (
        "a path in an expression is an import",
        {LIB: "mod a;\nmod b;", A: "fn f() { crate::b::g(); }", B: "fn g() -> super::a::Y { todo() }"},
        set(),
        ["crates/proxy/src/a.rs:1: proxy::a imports proxy::b"],
    ),
    (
        "a path that serde takes as text is an import",
        {LIB: "mod a;\nmod b;", A: '#[serde(with = "crate::b")]\nstruct S;', B: "use crate::a::S;"},
        set(),
        ["crates/proxy/src/a.rs:1: proxy::a imports proxy::b"],
    ),
    (
        "an import of the whole module under another name is an import",
        {LIB: "mod a;\nmod b;", A: "use super::b as other;", B: "use crate::{a::{self, Y}};"},
        set(),
        ["crates/proxy/src/b.rs:1: proxy::b imports proxy::a"],
    ),
    (
        "a re-export leads to the module that defines the item",
        {
            LIB: "mod a;\nmod b;\nmod c;\npub use b::X;",
            A: "pub use crate::c::Z;",
            B: "use crate::a::Z;",
            C: "use crate::X;",
        },
        set(),
        ["proxy::b imports proxy::c\n  crates/proxy/src/c.rs:1: proxy::c imports proxy::b"],
    ),
    (
        "what lies below a module counts as the module",
        {
            LIB: "mod a;\nmod b;",
            A: "mod inner;",
            "crates/proxy/src/a/inner.rs": "use crate::b::X;",
            B: "mod deep;",
            "crates/proxy/src/b/deep.rs": "use crate::a::Y;",
        },
        set(),
        ["crates/proxy/src/a/inner.rs:1: proxy::a imports proxy::b"],
    ),
    (
        "modules below a module may not import each other in a circle either",
        {
            LIB: "mod a;",
            A: "mod one;\nmod two;",
            "crates/proxy/src/a/one.rs": "use super::two::X;",
            "crates/proxy/src/a/two/mod.rs": "use crate::a::one::Y;",
        },
        set(),
        ["crates/proxy/src/a/two/mod.rs:1: proxy::a::two imports proxy::a::one"],
    ),
    (
        "a parent and its children may import each other",
        {LIB: "mod a;", A: "mod inner;\nuse inner::X;", "crates/proxy/src/a/inner.rs": "use super::Y;"},
        set(),
        [],
    ),
    (
        "an inline module belongs to its parent",
        {LIB: "mod a;\nmod own {\n pub struct Y;\n}\nuse a::X;", A: "use crate::own::Y;"},
        set(),
        [],
    ),
    (
        "a name that an import brings leads on to what is below it",
        {LIB: "mod a;\nmod b;", A: "use crate::b::{self};\nfn f() { b::deep::g(); }", B: "pub mod deep;", "crates/proxy/src/b/deep.rs": "use crate::a::X;"},
        set(),
        ["crates/proxy/src/a.rs:1: proxy::a imports proxy::b"],
    ),
    (
        "tests, comments and texts are no imports",
        {
            LIB: "mod a;\nmod b;",
            A: "use crate::b::X;",
            B: '// crate::a::Y\n/* crate::a::Y /* */ crate::a::Y */\nconst T: &str = "use crate::a::Y;";\n'
            "const R: &str = r#\"a \" crate::a::Y\"#;\nconst Q: char = '\"';\npub(in crate::a) struct X;\n"
            "#[cfg(test)]\nuse crate::a::{Y, Z};\n#[cfg(test)]\nmod tests {\n use crate::a::Y;\n}",
        },
        set(),
        [],
    ),
    (
        "another crate's path is no import",
        {LIB: "mod a;\nmod b;", A: "use crate::b::X;", B: "use serde::a;\nuse a::Y;\nfn f() { serde::a::Y; a::Z; }"},
        set(),
        [],
    ),
    (
        "a circle of the command top is found",
        {
            "crates/cli/src/main.rs": "mod top;",
            "crates/cli/src/top.rs": "mod view;\nmod act;",
            "crates/cli/src/top/view.rs": "use super::act::X;",
            "crates/cli/src/top/act.rs": "use super::view::Y;",
        },
        set(),
        ["crates/cli/src/top/act.rs:1: cli::top::act imports cli::top::view"],
    ),
    (
        "an exception lets its circle pass",
        {LIB: "mod a;\nmod b;", A: "use crate::b::X;", B: "use crate::a::Y;"},
        {("proxy::a", "proxy::b")},
        [],
    ),
    (
        "an exception without a circle is reported",
        {LIB: "mod a;\nmod b;", A: "use crate::b::X;", B: "pub struct X;"},
        {("proxy::a", "proxy::b")},
        ["the exception proxy::a -> proxy::b is no longer needed"],
    ),
    (
        "a dependency that the picture has passes",
        {"crates/pool/Cargo.toml": '[package]\nname = "pgweir-pool"\n[dependencies]\npgweir-wire.workspace = true\n'},
        set(),
        [],
    ),
    (
        "a dependency that the picture does not have fails, with its line and its use",
        {
            "crates/pool/Cargo.toml": '[package]\nname = "pgweir-pool"\n[dependencies]\npgweir-proxy = { path = "" }\n',
            "crates/pool/src/lib.rs": "\nuse pgweir_proxy::run;",
        },
        set(),
        ["crates/pool/Cargo.toml:4: pool may not depend on proxy (of our crates: sql, wire), first used at crates/pool/src/lib.rs:2"],
    ),
    (
        "a pure crate may not use the network, not even in its tests",
        {"crates/sql/Cargo.toml": '[package]\nname = "pgweir-sql"\n[dev-dependencies]\ntokio.workspace = true\n'},
        set(),
        ["crates/sql/Cargo.toml:4: sql may not depend on tokio"],
    ),
    (
        "a dependency under another name, with a table of its own, is found",
        {"crates/http/Cargo.toml": '[package]\nname = "pgweir-http"\n[dependencies.poll]\npackage = "mio"\nversion = "1"\n'},
        set(),
        ["crates/http/Cargo.toml:3: http may not depend on mio (bench-rig, proxy may)"],
    ),
    (
        "a pure crate may not depend on the network indirectly",
        {
            "crates/wire/Cargo.toml": '[package]\nname = "pgweir-wire"\n[dependencies]\nhelper.workspace = true\n',
            "Cargo.lock": '[[package]]\nname = "helper"\nversion = "1"\ndependencies = ["rand 0.9.0"]\n',
        },
        set(),
        ["crates/wire/Cargo.toml:4: wire may not depend on rand, which comes with helper -> rand"],
    ),
    (
        "a dependency that is an exception passes",
        {"crates/wire/Cargo.toml": '[package]\nname = "pgweir-wire"\n[dependencies]\nmio.workspace = true\n'},
        {("wire", "mio")},
        [],
    ),
    (
        "a pure crate whose clippy.toml disallows less than the others' fails",
        {
            "crates/wire/clippy.toml": 'disallowed-types = [{ path = "std::fs::File" }, { path = "std::time::SystemTime" }]',
            "crates/sql/Cargo.toml": '[package]\nname = "pgweir-sql"\n',
            "crates/telemetry/Cargo.toml": '[package]\nname = "pgweir-telemetry"\n',
            "crates/telemetry/clippy.toml": 'disallowed-types = [{ path = "std::fs::File" }]',
            "crates/proxy/Cargo.toml": '[package]\nname = "pgweir-proxy"\n',
        },
        set(),
        ["crates/sql/clippy.toml:1: must disallow what crates/wire/clippy.toml disallows (std::fs::File, std::time::SystemTime)"],
    ),
    (
        "a crate that the picture does not have fails",
        {"crates/misc/Cargo.toml": '[package]\nname = "pgweir-misc"\n'},
        set(),
        ["crates/misc/Cargo.toml:1: crate misc is not in the picture"],
    ),
]


def problems(files: dict[str, str], exceptions: set[tuple[str, str]]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        imports = {pair for pair in exceptions if "::" in pair[0]}
        return structure.check(root, structure.Known(exceptions - imports, imports))


def main() -> int:
    failed = 0
    for claim, files, exceptions, expected in CASES:
        found = problems(files, exceptions)
        if len(found) != len(expected) or not all(part in text for part, text in zip(expected, found)):
            failed += 1
            print(f"{claim}: expected {expected}, found", file=sys.stderr)
            print(textwrap.indent("\n".join(found) or "nothing", "  "), file=sys.stderr)
    print(f"self-test of the structure: {len(CASES) - failed} of {len(CASES)} cases pass")
    return 1 if failed else 0
