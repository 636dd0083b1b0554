#!/usr/bin/env python3
"""Measures this build and PgBouncer alternately in one run; see README.md in this directory.

It ends every process that it starts, also on Ctrl-C, and removes everything that it writes, except the
results.
"""

import argparse
import dataclasses
import datetime
import fnmatch
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lab import cells as cell_table
from lab import processes, report
from lab.poolers import ROOT, PgBouncer, Pgweir, built
from lab.postgres import Postgres, free_port
from lab.processes import Failed, Processes

RESULTS = pathlib.Path(__file__).resolve().parent / "results"


class Lab:
    """The state that all measurements share."""

    def __init__(self, arguments):
        self.quick = arguments.quick
        self.open_files = processes.raise_open_files_limit()
        self.processes = Processes(processes.unprivileged_user())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgweir-bench-"))
        if self.processes.user:
            os.chown(self.folder, self.processes.user.pw_uid, self.processes.user.pw_gid)
        self.folder.chmod(0o755)
        self.log_path = self.folder / "log"
        self.log = open(self.log_path, "ab")
        self.rig_program = os.environ.get("PGWEIR_RIG") or built("pgweir-bench-rig")
        if not os.access(self.rig_program, os.X_OK):
            raise SystemExit(f"{self.rig_program} is missing: run `make bench`, which builds it")
        cores = sorted(os.sched_getaffinity(0))
        # One core for the pooler; the server and the clients get other cores if there are any.
        self.pooler_cpus = {cores[0]}
        self.fake_cpus = {cores[1 % len(cores)]}
        self.load_cpus = {cores[2]} if len(cores) >= 4 else self.fake_cpus
        self.postgres = Postgres(self.processes, self.folder)
        self.pgbouncer = self.pgweir = self.bulk_file = None

    def prepare(self, programs, bulk_bytes):
        """Finds the poolers and starts PostgreSQL."""
        self.pgbouncer = PgBouncer(self)
        self.pgweir = Pgweir(self) if "pgweir" in programs else None
        say(f"{self.postgres.version()}: making a cluster")
        self.postgres.start(self.log)
        if bulk_bytes:
            self.bulk_file = self.postgres.make_bulk(bulk_bytes)

    def start_rig(self, command, *argv, port, cpus=None):
        """Starts the load client."""
        argv = [self.rig_program, command, "--addr", f"127.0.0.1:{port}", *argv]
        return self.processes.start(argv, cpus=cpus, text=True, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def rig(self, command, *argv, port):
        """Runs the load client to its end and returns its result."""
        argv = [self.rig_program, command, "--addr", f"127.0.0.1:{port}", *argv, "--json"]
        return json.loads(self.processes.run(argv, timeout=30).splitlines()[-1])

    def start_fake_server(self, cpus):
        """Starts the fake server; returns it and its port."""
        port = free_port()
        argv = [self.rig_program, "fake-server", "--listen", f"127.0.0.1:{port}"]
        server = self.processes.start(argv, cpus=cpus, text=True, stdout=subprocess.PIPE)
        if not server.stdout.readline():
            raise Failed("the fake server does not start")
        return server, port

    def measure(self, cell, contender, seconds):
        """Makes one measurement with a fresh pooler."""
        backend = server = pooler = None
        options = dict(cell.options)
        try:
            if cell.fake_server:
                server, backend = self.start_fake_server(self.fake_cpus if cell.pinned else None)
            if cell.pinned:
                options["cpus"] = self.load_cpus
            program = getattr(self, contender.program)
            clients = min(options.get("clients", 1), 60)
            pooler = program.start(**contender.options, backend=backend, clients=clients,
                                   cpus=self.pooler_cpus if cell.pinned else None)
            return cell.run(self, pooler, seconds=seconds, **options)
        finally:
            if pooler:
                pooler.stop()
            if server:
                self.processes.stop(server)

    def last_log_line(self):
        """The last line that a server or pooler logged."""
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else "(nothing)"

    def close(self):
        """Ends every process and removes the directory."""
        self.processes.stop_all()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    programs = {"pgbouncer"} if arguments.only_pgbouncer else {"pgbouncer", "pgweir"}
    lab = None
    cells, runs, failures, about = [], {}, [], None
    try:
        lab = Lab(arguments)
        lab.prepare(programs, arguments.bulk_mb * 1_000_000)
        chosen = choose(cell_table.all_cells(lab), arguments.only)
        cells = [keep_programs(cell, programs) for cell in chosen]
        cells = [cell for cell in cells if cell.contenders]
        about = describe(lab, arguments)
        run_all(lab, cells, arguments, runs, failures)
    except KeyboardInterrupt:
        say("interrupted")
        failures.append("the run was interrupted")
    finally:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        if lab:
            lab.close()
    if not runs:
        return 1
    rows = report.summarise(cells, runs)
    folder = arguments.output or (RESULTS / "tmp" if arguments.quick else RESULTS)
    for path in report.write(folder, about, rows, cells, runs, failures, arguments.json):
        say(f"written: {path}")
    print("\n".join(report.goal_lines(rows)))
    return 1 if failures else 0


def run_all(lab, cells, arguments, runs, failures):
    """Yields every cell with every contender, all of them once before the next round."""
    todo = [cell for cell in cells if not cell.without]
    for cell in cells:
        if cell.without:
            say(f"{cell.name}: not measured: {cell.without}")
    total = arguments.repeats * sum(len(cell.contenders) for cell in todo)
    done, start = 0, time.monotonic()
    for repeat in range(arguments.repeats):
        for cell in todo:
            # A different contender goes first each time, so that drift of the machine affects all.
            turn = repeat % len(cell.contenders)
            for contender in cell.contenders[turn:] + cell.contenders[:turn]:
                done += 1
                where = f"[{done}/{total}] {cell.name}, {contender.label}"
                try:
                    numbers = lab.measure(cell, contender, arguments.seconds)
                except Failed as failure:
                    failures.append(f"{cell.name}, {contender.label}: {failure}")
                    say(f"{where}: FAILED: {failure}")
                    continue
                runs.setdefault((cell.name, contender.label), []).append(numbers)
                shown = [f"{report.unit(name)} {report.number(numbers[name])}"
                         for name in cell.metrics[:4] if name in numbers]
                left = (time.monotonic() - start) / done * (total - done)
                say(f"{where}: {', '.join(shown)} (about {left / 60:.0f} min left)")


def keep_programs(cell, programs):
    """The cell without contenders whose executable is not measured."""
    kept = [contender for contender in cell.contenders if contender.program in programs]
    return dataclasses.replace(cell, contenders=kept)


def choose(cells, patterns):
    """The cells whose name or group matches one of some patterns."""
    if not patterns:
        return cells
    chosen = [cell for cell in cells
              if any(fnmatch.fnmatch(cell.name, p) or cell.group == p for p in patterns)]
    if not chosen:
        names = ", ".join(cell.name for cell in cells)
        raise SystemExit(f"--only {','.join(patterns)}: no such cell; there are {names}")
    return chosen


def describe(lab, arguments):
    """Versions, machine and command."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = {
        "Machine": f"{len(os.sched_getaffinity(0))} cores, {models[0] if models else platform.machine()}, "
                   f"{memory:.0f} GiB, Linux {platform.release()}",
        "PostgreSQL": lab.postgres.version(),
        "PgBouncer": lab.pgbouncer.version,
        "pgweir": f"{lab.pgweir.version}, commit {commit()}" if lab.pgweir else "not measured",
        "Command": "bench/run.py " + " ".join(sys.argv[1:]),
        "Measured": f"{arguments.repeats} times, {arguments.seconds:g} s each, "
                    f"{arguments.bulk_mb} MB for large results",
        "Load average at the start": f"{os.getloadavg()[0]:.2f}",
    }
    return {"date": datetime.date.today().isoformat(), "facts": facts}


def commit():
    """The checked-out commit, marked if there are changes; unknown outside of git."""
    try:
        out = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"],
                             capture_output=True, text=True, check=True)
        return out.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true",
                        help="once, two seconds each: shows that everything works, not how fast")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], metavar="NAME,...",
                        help="cells or groups to measure; * and ? are understood")
    parser.add_argument("--repeats", type=int, help="measurements of each kind (5)")
    parser.add_argument("--seconds", type=float, help="length of a measurement (5)")
    parser.add_argument("--bulk-mb", type=int, help="size of large results (200)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the numbers here too")
    parser.add_argument("--output", type=pathlib.Path, metavar="FOLDER",
                        help="where the results go (bench/results; with --quick its folder tmp)")
    parser.add_argument("--only-pgbouncer", action="store_true", help="leave out this build")
    arguments = parser.parse_args()
    arguments.repeats = arguments.repeats or (1 if arguments.quick else 5)
    arguments.seconds = arguments.seconds or (2 if arguments.quick else 5)
    arguments.bulk_mb = arguments.bulk_mb or (50 if arguments.quick else 200)
    return arguments


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
