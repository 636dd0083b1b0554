#!/usr/bin/env python3
"""Runs PostgreSQL's own suites of tests through pgweir, and says what fails that passes directly.

Each suite (`regress`, `isolation`) runs on a fresh cluster for each way: directly, through pgweir in session and in
transaction mode, and through PgBouncer in both, if there is one (PGBOUNCER=path chooses it). Exits with 1 if pgweir
fails a test that passes directly and that known.txt does not list. Diffs are left in target/regress.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import results
import source
import suites
from cluster import Cluster
from lab import processes
from poolers import PgBouncer, Pgweir

WAYS = ["direct", "session", "transaction", "pgbouncer-session", "pgbouncer-transaction"]
OUTPUT = ROOT / "target" / "regress"


def main():
    arguments = parse_arguments()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, interrupt)
    runner = processes.Processes(processes.unprivileged_user())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pgweir-regress-"))
    try:
        folder.chmod(0o755)
        if runner.user:
            os.chown(folder, runner.user.pw_uid, runner.user.pw_gid)
        runs = run_all(arguments, runner, folder)
    except processes.Failed as failure:
        raise SystemExit(f"regress: {failure}") from None
    finally:
        runner.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    comparison = results.Comparison(runs, results.Known.read())
    if arguments.json:
        print(json.dumps(comparison.document(), indent=1))
    else:
        print(comparison.text())
        print(f"diffs: {OUTPUT}")
    return 1 if comparison.unexpected() else 0


def run_all(arguments, runner, folder):
    """The results of every suite and way, by both names."""
    tree = source.Source(runner)
    template = Cluster.template(runner, folder)
    poolers = {"pgweir": Pgweir(runner, folder), "pgbouncer": None}
    if any(way.startswith("pgbouncer") for way in arguments.way):
        poolers["pgbouncer"] = PgBouncer.find(runner, folder)
    runs = {}
    for name in arguments.suite:
        suite = suites.SUITES[name]
        for way in arguments.way:
            program, mode = ("pgbouncer" if way.startswith("pgbouncer") else "pgweir", way.rpartition("-")[2])
            if way != "direct" and poolers[program] is None:
                continue
            say(f"{name}, {way}: running")
            cluster = template.copy(folder / f"{name}-{way}")
            cluster.start()
            try:
                suite.prepare(cluster)
                pooler = None if way == "direct" else poolers[program].start(cluster, mode)
                port = pooler.port if pooler else cluster.port
                is_blind = name == "isolation" and way not in ("direct", "session")
                left_out = suite.watching(tree, arguments.tests) if is_blind else frozenset()
                run = suite.run(tree, cluster, port, arguments.tests, arguments.timeout, left_out)
                if pooler and pooler.process.poll() is not None:
                    run.note = f"the pooler ended with status {pooler.process.returncode}"
            finally:
                runner.stop_all()
            run.keep(OUTPUT / name / way, cluster.folder)
            shutil.rmtree(cluster.folder, ignore_errors=True)
            say(f"{name}, {way}: {run.summary()}")
            runs[name, way] = run
    return runs


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--suite", action="append", choices=list(suites.SUITES), help="one suite (all)")
    parser.add_argument("--way", action="append", choices=WAYS, help="one way, and directly (all)")
    parser.add_argument("--tests", help="names of tests, comma separated; regress adds test_setup (all)")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for each run of a suite (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    arguments = parser.parse_args()
    arguments.suite = arguments.suite or list(suites.SUITES)
    arguments.way = ["direct"] + [way for way in WAYS[1:] if not arguments.way or way in arguments.way]
    arguments.tests = arguments.tests.split(",") if arguments.tests else None
    return arguments


def interrupt(*_):
    raise KeyboardInterrupt


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
