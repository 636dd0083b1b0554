#!/usr/bin/env python3
"""How often pgweir takes what is no N+1 for one: loads without a loop, and two with one.

Starts `pgweir demo --keep` (PGWEIR=path of the binary), runs each load through it under a name of its own,
and asks the live document what was found. Needs pgbench, php with pdo_pgsql, and node with npm.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).parent
SECONDS = os.environ.get("SECONDS_EACH", "20")


def start(log):
    """A pooler with a PostgreSQL behind it: process, page, port, password."""
    binary = os.environ.get("PGWEIR", "target/release/pgweir")
    demo = subprocess.Popen(
        [binary, "demo", "--keep", "--clients", "1", "--seconds", "1"],
        stdout=subprocess.PIPE, stderr=log, text=True,
    )
    said = ""
    for line in demo.stdout:
        said += line
        found = re.search(r"http://(\S+)/\n.*?PGPASSWORD=(\w+) psql -h 127.0.0.1 -p (\d+)", said, re.S)
        if found:
            return demo, f"http://{found[1]}/", found[3], found[2]
    sys.exit(f"the demo ended: {said}")


def found(page, name):
    """Loops that were found of an application: statements, and how often."""
    with urllib.request.urlopen(f"{page}api/v1/live") as answer:
        loops = json.load(answer)["nPlusOne"]
    own = [loop for loop in loops if loop["applicationName"] == name]
    return len({loop["fingerprint"] for loop in own}), sum(loop["found"] for loop in own)


def pgbench(env, port, arguments):
    """Statements that a run of pgbench sent."""
    command = ["pgbench", "-h", "127.0.0.1", "-p", port, "-U", "demo", "-n", "-T", SECONDS, *arguments, "demo"]
    output = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    return int(re.search(r"number of transactions actually processed: (\d+)", output)[1])


def main():
    rows = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w") as log:
        folder = pathlib.Path(folder)
        subprocess.run(
            ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, "pg@8"], check=True)
        (folder / "prisma.mjs").write_text((HERE / "prisma.mjs").read_text())
        (folder / "select.sql").write_text(
            "\\set aid random(1, 100000)\nBEGIN;\n"
            "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\nEND;\n")
        demo, page, port, password = start(log)
        try:
            env = dict(os.environ, PGPASSWORD=password)
            init = ["pgbench", "-h", "127.0.0.1", "-p", port, "-U", "demo", "-i", "-q", "demo"]
            subprocess.run(init, env=env, check=True, capture_output=True)

            def note(name, what, loops, statements):
                kinds, times = found(page, name)
                rows.append((what, "yes" if loops else "no", statements, kinds, times))
                print(*rows[-1], sep="\t", flush=True)

            benches = [
                ("pgbench -S, without a pause", ["-S"], 1),
                ("pgbench -S, 10 per second and client", ["-S", "-R", "100"], 1),
                ("pgbench, TPC-B in transactions", [], 7),
                ("pgbench, a select in each transaction", ["-f", str(folder / "select.sql")], 3),
            ]
            for number, (what, arguments, each) in enumerate(benches):
                name = f"bench{number}"
                own = dict(env, PGAPPNAME=name)
                note(name, what, False, each * pgbench(own, port, ["-c", "10", *arguments]))
            for number, (what, at_once, loops) in enumerate([
                ("Prisma-like, 10 requests at once", "10", "0"),
                ("Prisma-like, 40 requests at once", "40", "0"),
                ("Prisma-like with a loop of 20", "10", "1"),
            ]):
                name = f"prisma{number}"
                url = f"postgres://demo:{password}@127.0.0.1:{port}/demo?application_name={name}"
                command = ["node", folder / "prisma.mjs", url, SECONDS, at_once, loops]
                said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                note(name, what, loops == "1", said["statements"])
            for number, (what, per_connection, loops) in enumerate([
                ("Laravel-like, a connection for each request", "1", "0"),
                ("Laravel-like, connections that stay", "0", "0"),
                ("Laravel-like with a loop of 15", "1", "1"),
            ]):
                name = f"laravel{number}"
                dsn = f"pgsql:host=127.0.0.1;port={port};dbname=demo;application_name={name}"
                command = ["php", HERE / "laravel.php", dsn, "demo", password, SECONDS, per_connection, loops]
                workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
                said = [json.loads(worker.communicate()[0]) for worker in workers]
                note(name, what, loops == "1", sum(one["statements"] for one in said))
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait()
    print("\n| load | has a loop | statements | statements told of | findings | per 100,000 |\n|---|---|---|---|---|---|")
    for what, loops, statements, kinds, times in rows:
        rate = 1e5 * times / max(1, statements)
        print(f"| {what} | {loops} | {statements:,} | {kinds} | {times:,} | {rate:.0f} |")


main()
