"""Reads which file of a crate imports which, from the source text alone.

It follows `mod`, `use`, `pub use` and paths in expressions and types, and resolves a re-export to the file
that defines the item. It does not expand macros, resolve methods or follow glob imports: an item that only a
glob brings into scope counts as an item of the module that the path names.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<block>/\*)
    |(?P<raw>(?:b|c)?r(?P<hashes>\#*)")
    |(?P<text>(?:b|c)?"(?:[^"\\]|\\.)*")
    |(?P<char>b?'(?:[^'\\\n]|\\(?:u\{[^}]*\}|x..|.))')
    |(?P<life>'\w+)
    |(?P<name>(?:r\#)?[A-Za-z_]\w*)
    |(?P<number>\d[\w]*)
    |(?P<path>::)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
# serde takes paths as text: #[serde(with = "super::timestamp")].
TEXT_PATH = re.compile(r'"(?:crate|super|self)(?:::\w+)+"')
CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclasses.dataclass(frozen=True)
class Token:
    text: str
    line: int
    name: bool = False


@dataclasses.dataclass
class Module:
    """A module: a file, or a part of one."""

    name: str
    file: pathlib.Path
    parent: "Module | None"
    children: dict[str, "Module"] = dataclasses.field(default_factory=dict)
    # What `use` brings into scope, by name.
    scope: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    # Every path in the source, with its line.
    paths: list[tuple[list[str], int]] = dataclasses.field(default_factory=list)

    def root(self) -> "Module":
        return self if self.parent is None else self.parent.root()

    def walk(self) -> Iterator["Module"]:
        yield self
        for child in self.children.values():
            yield from child.walk()


def tokens(source: str) -> list[Token]:
    """The tokens of a source, without comments and the text of literals."""
    found, place, line = [], 0, 1
    while place < len(source):
        match = TOKEN.match(source, place)
        assert match, "TOKEN has an alternative for every character"
        end = match.end()
        if match["block"]:
            end = end_of_comment(source, place)
        elif match["raw"]:
            closing = source.find('"' + match["hashes"], end)
            end = len(source) if closing < 0 else closing + 1 + len(match["hashes"])
        elif match["text"] and TEXT_PATH.fullmatch(match["text"]):
            inner = tokens(match["text"].strip('"'))
            found += [Token(token.text, line, token.name) for token in inner]
        elif match["name"]:
            found.append(Token(match["name"].removeprefix("r#"), line, True))
        elif match["path"] or match["sign"]:
            found.append(Token(match.group(), line))
        else:
            # A literal becomes a token too, so that its neighbours are not read as one path.
            found += [] if match["space"] else [Token("0", line)]
        line += source.count("\n", place, end)
        place = end
    return found


def end_of_comment(source: str, place: int) -> int:
    depth, end = 0, place
    for mark in re.finditer(r"/\*|\*/", source[place:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            end = place + mark.end()
            break
    return end if depth == 0 and end > place else len(source)


class Reader:
    """Reads one file into its module, and then the files of its children."""

    def __init__(self, module: Module, folder: pathlib.Path):
        self.module = module
        self.folder = folder
        self.tokens = tokens(module.file.read_text())
        self.at = 0

    def text(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def line(self) -> int:
        return self.tokens[self.at].line

    def read(self, until: str = "") -> None:
        """Reads items up to the end of the file, or of the block around them."""
        depth = 0
        while self.at < len(self.tokens):
            text = self.text()
            if depth == 0 and until and text == until:
                self.at += 1
                return
            depth += {"{": 1, "}": -1}.get(text, 0)
            self.read_one(text)

    def read_one(self, text: str) -> None:
        if text == "#" and self.text(1) in ("[", "!"):
            self.attribute()
        elif text == "pub" and self.text(1) == "(" and self.text(2) in ("crate", "super", "self", "in"):
            self.at += 1
            self.skip_group()
        elif text == "mod" and self.text(2) in (";", "{"):
            self.child()
        elif text == "use" and self.text(1) != "<":
            self.at += 1
            self.use([])
        elif self.tokens[self.at].name and self.text(1) == "::":
            self.path()
        else:
            self.at += 1

    def attribute(self) -> None:
        self.at += 1 if self.text(1) == "[" else 2
        start = self.at
        self.skip_group()
        words = [token.text for token in self.tokens[start : self.at]]
        if words[1:2] == ["cfg"] and "test" in words and "not" not in words:
            self.skip_item()
            return
        # Go on inside the brackets: an attribute may name paths.
        self.at = start + 1

    def skip_group(self) -> None:
        """Skips from an opening bracket to behind its closing one."""
        depth = 0
        while self.at < len(self.tokens):
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(self.text(), 0)
            self.at += 1
            if depth == 0:
                return

    def skip_item(self) -> None:
        """Skips an item of tests, up to its semicolon or the end of its block."""
        imports = False
        while self.at < len(self.tokens):
            text = self.text()
            imports = imports or text == "use"
            if text in CLOSING:
                self.skip_group()
                if text == "{" and not imports:
                    return
                continue
            self.at += 1
            if text in (";", ","):
                return

    def child(self) -> None:
        name = self.text(1)
        inline = self.text(2) == "{"
        self.at += 3
        folder = self.folder / name
        if inline:
            child = Module(name, self.module.file, self.module)
            outer, self.module, self.folder = (self.module, self.folder), child, folder
            self.read(until="}")
            self.module, self.folder = outer
        else:
            places = [self.folder / f"{name}.rs", folder / "mod.rs"]
            file = next((place for place in places if place.exists()), None)
            if file is None:
                return
            child = Module(name, file, self.module)
            Reader(child, folder).read()
        self.module.children[name] = child

    def use(self, before: list[str]) -> None:
        """Reads a tree of imports: up to its semicolon, or the comma or brace of the tree around it."""
        line = self.line()
        path, alias = list(before), ""
        while self.text() not in (";", ",", "}", ""):
            text = self.text()
            self.at += 1
            if text == "{":
                self.use_group(path)
                return
            if text == "as":
                alias = self.text()
                self.at += 1
            elif text != "::":
                path.append(text)
        if path[-1:] == ["self"] and len(path) > 1:
            path.pop()
        self.module.paths.append((path, line))
        self.module.scope[alias or path[-1]] = path

    def use_group(self, before: list[str]) -> None:
        while self.text() not in ("}", ""):
            self.use(before)
            if self.text() == ",":
                self.at += 1
        self.at += 1

    def path(self) -> None:
        line = self.line()
        path = [self.text()]
        self.at += 1
        while self.text() == "::" and self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].name:
            path.append(self.text(1))
            self.at += 2
        self.module.paths.append((path, line))


def read_crate(root: pathlib.Path) -> Module:
    """The tree of modules below a crate's root file."""
    module = Module("", root, None)
    Reader(module, root.parent).read()
    return module


def resolve(path: list[str], module: Module, seen: frozenset = frozenset()) -> Module | None:
    """The module that defines what a path names, or None for another crate's."""
    if (id(module), tuple(path)) in seen:
        return None
    seen |= {(id(module), tuple(path))}
    first, rest = path[0], path[1:]
    if first == "crate":
        place = module.root()
    elif first == "self":
        place = module
    elif first == "super":
        place = module.parent
    elif first in module.children:
        place = module.children[first]
    elif first in module.scope and module.scope[first][0] != first:
        return resolve(module.scope[first] + rest, module, seen)
    else:
        return None
    while rest and place is not None:
        name, rest = rest[0], rest[1:]
        if name == "super":
            place = place.parent
        elif name in place.children:
            place = place.children[name]
        elif name in place.scope:
            return resolve(place.scope[name] + rest, place, seen)
        else:
            return place
    return place


def imports(crate: Module) -> dict[pathlib.Path, dict[pathlib.Path, int]]:
    """For every file of a crate, the files it imports from and the first line that does."""
    graph: dict[pathlib.Path, dict[pathlib.Path, int]] = {}
    for module in crate.walk():
        edges = graph.setdefault(module.file, {})
        for path, line in module.paths:
            target = resolve(path, module)
            if target is not None and target.file != module.file:
                edges[target.file] = min(line, edges.get(target.file, line))
    return graph
