#!/usr/bin/env python3
"""Puts back, one at a time, each race that the drivers and the budget guard against, and sees the simulator notice.

Each entry removes one guard from a copy of the sources and runs seeds until a checker fails. Exits with 1 if
one of them goes unnoticed. `make races` runs all, `tests/races.py NAME…` some; it takes about half a minute for each.
The seed that is printed with a race is the first to fail: seeds.rs of the simulator keeps one for each.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = "20000"
DRIVER = "crates/pool/src/driver/"

# Each binary runs once: what it takes to build counts as much as what it takes to run.
QUICK = {
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
}

# Name, file, what is there, what takes its place.
RACES = [
    (
        "a grant reaches a client that waits for a later one",
        DRIVER + "clients.rs",
        "Some(mut client) if client.session.place() == Some(granted.place) => {",
        "Some(mut client) if client.session.place().is_some() => {",
    ),
    (
        "a refusal of an earlier wait ends a later one",
        DRIVER + "clients.rs",
        "if client.session.place() != Some(place) {",
        "if client.session.place().is_none() {",
    ),
    (
        "a message for a client reaches the next one in its slot",
        DRIVER + "clients.rs",
        "generation.is_some_and(|generation| ClientRef { generation, ..name }.id() == name.id())",
        "generation.is_some()",
    ),
    (
        "a server ends on its way to a client that left, and nobody hears it",
        DRIVER + "clients.rs",
        "let is_alive = (0..2).all(|_| {",
        "let is_alive = (0..0).all(|_| {",
    ),
    (
        "a server says something and breaks on its way to a client that left",
        DRIVER + "clients.rs",
        "let is_alive = (0..2).all(|_| {",
        "let is_alive = (0..1).all(|_| {",
    ),
    (
        "a server says something on its way to a client, which waits for an event of it",
        DRIVER + "servers.rs",
        "resident.unheard = Some(Readiness { readable, hung_up });",
        "let _ = hung_up;",
    ),
    (
        "a cancel request that arrived is counted for another server",
        DRIVER + "servers.rs",
        "let Some(resident) = self.servers.get_mut(slot).filter(|entry| entry.id == id) else {",
        "let Some(resident) = self.servers.get_mut(slot) else {",
    ),
    (
        "a server goes back with a cancel request under way",
        DRIVER + "endings.rs",
        "            server.cancels.began();\n",
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
        "a cancel request that was put off is forgotten",
        DRIVER + "clients.rs",
        "        self.send_due_cancel(&mut client);\n",
        "",
    ),
    (
        "a slot is used again while an event of its last stream is under way",
        DRIVER + "../driver.rs",
        "            Peer::Server(slot) => self.server_ready(slot, readiness),\n        }\n",
        "            Peer::Server(slot) => self.server_ready(slot, readiness),\n        }\n        self.handle_local();\n",
    ),
    (
        "a client that hangs up leaves its place to nobody",
        DRIVER + "clients.rs",
        "                self.leave_queue(&client.pool, place);\n                client.session.end(End::ClientGone, None)",
        "                client.session.end(End::ClientGone, None)",
    ),
    (
        "a wait that is cancelled goes on in the queue",
        DRIVER + "endings.rs",
        "            self.leave_queue(&client.pool, place);\n            client.session.cancel_wait(self.now);",
        "            client.session.cancel_wait(self.now);",
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
    (
        "a server that cannot be taken out of a worker's events keeps its slot there",
        DRIVER + "servers.rs",
        "            self.outbox.send(earlier.worker, message);\n            self.shell.unwatch_server(&mut server.stream, earlier)?;\n",
        "            self.shell.unwatch_server(&mut server.stream, earlier)?;\n            self.outbox.send(earlier.worker, message);\n",
    ),
    (
        "sessions that have passed a limit go on",
        DRIVER + "../driver.rs",
        "        self.sweep_clients();\n",
        "",
    ),
    (
        "a server goes back with a cancel request that PostgreSQL did not confirm",
        DRIVER + "../server.rs",
        "self.in_doubt |= delivery == Delivery::InDoubt;",
        "let _ = delivery;",
    ),
    (
        "a server that does not answer the pooler keeps its client",
        DRIVER + "endings.rs",
        "        if self.session.is_stuck(now) {\n            return Some(Due::GiveUpServer);\n        }\n",
        "",
    ),
    (
        "what a text leaves in its session is left to the next client",
        DRIVER + "../relay/heed.rs",
        "        server.state.note(effects);\n        if blocks",
        "        if blocks",
    ),
    (
        "a server is cleaned for as long as it likes",
        DRIVER + "servers.rs",
        "Next::Wait if self.now < until => None,",
        "Next::Wait if self.now <= until || self.now > until => None,",
    ),
]


def main():
    wanted = sys.argv[1:]
    races = [race for race in RACES if not wanted or any(word in race[0] for word in wanted)]
    with tempfile.TemporaryDirectory(prefix="pgweir-races-") as folder:
        copy = pathlib.Path(folder) / "pgweir"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git", "node_modules"))
        environment = dict(os.environ, CARGO_TARGET_DIR=str(ROOT / "target" / "races"), **QUICK)
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
    seed = next((line for line in lines if "failed; replay" in line), "a regression seed").split(";")[0]
    print(f"noticed: {name}\n    {seed}: {' '.join(lines[seen + 1 : seen + 2])[:160]}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
