"""PostgreSQL's suites: what they need, how they run, and what came of each test."""

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from cluster import USER

# What a test says when it is done, up to PostgreSQL 15 and (TAP) from 16 on.
RESULT = re.compile(
    r"^(?:test )?\s*(?P<name>\S+)\s+\.\.\. (?P<result>ok|FAILED|failed \(ignored\))|"
    r"^(?P<not>not )?ok \d+\s+[-+]\s+(?P<tap>\S+)")


@dataclasses.dataclass
class Run:
    """What came of one suite, one way."""

    output: pathlib.Path
    expected: list
    failed: set
    passed: set
    seconds: float
    note: str = ""

    def missing(self):
        """Tests without a result, because the suite was ended or broke off."""
        return [name for name in self.expected if name not in self.failed | self.passed]

    def summary(self):
        """One line."""
        parts = [f"{len(self.passed)} passed", f"{len(self.failed)} failed"]
        if self.missing():
            parts.append(f"{len(self.missing())} without a result")
        return ", ".join(parts) + f" in {self.seconds:.0f} s" + (f" ({self.note})" if self.note else "")

    def keep(self, folder, cluster):
        """Keeps diffs, results and logs, for whoever looks for a cause."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("regression.diffs", "regression.out", "results", "stdout"):
            path = self.output / name
            if path.is_dir():
                shutil.copytree(path, folder / name)
            elif path.exists():
                shutil.copy(path, folder / name)
        for path in cluster.glob("*.log"):
            shutil.copy(path, folder / path.name)


class Suite:
    """A suite in PostgreSQL's source tree."""

    def __init__(self, folder, program, schedule, database, needs):
        self.folder = folder
        self.program = program
        self.schedule = schedule
        self.database = database
        # Tests without which no other runs.
        self.needs = needs

    def prepare(self, cluster):
        """The database that the suite uses, as the suite's own driver makes it."""
        settings = {
            "lc_messages": "C", "lc_monetary": "C", "lc_numeric": "C", "lc_time": "C",
            "bytea_output": "hex", "timezone_abbreviations": "Default",
        }
        alter = [f'ALTER DATABASE {self.database} SET {name} TO "{value}"' for name, value in settings.items()]
        cluster.sql(f"CREATE DATABASE {self.database} TEMPLATE template0", *alter)

    def groups(self, tree, tests):
        """The groups of tests that run in parallel, of some tests or of all."""
        lines = (tree.folder / self.folder / self.schedule).read_text().splitlines()
        groups = [line.partition(":")[2].split() for line in lines if line.startswith("test:")]
        if tests:
            unknown = set(tests) - {name for group in groups for name in group}
            if unknown:
                raise SystemExit(f"no such tests: {', '.join(sorted(unknown))}")
            wanted = set(tests) | set(self.needs)
            groups = [[name for name in group if name in wanted] for group in groups]
        return [group for group in groups if group]

    def watching(self, tree, tests):
        """Tests that see a session wait. They ask for its process by the number that it was told at login, which is
        that of no process in transaction mode, and behind PgBouncer; without an answer they take hours."""
        expected = tree.folder / self.folder / "expected"
        names = [name for group in self.groups(tree, tests) for name in group]
        return {name for name in names
                if any("<waiting ...>" in path.read_text() for path in expected.glob(f"{name}*.out")
                       if path.stem.removeprefix(name).lstrip("_").isdigit() or path.stem == name)}

    def run(self, tree, cluster, port, tests, timeout, left_out=frozenset()):
        """Runs it against a port."""
        groups = [[name for name in group if name not in left_out] for group in self.groups(tree, tests)]
        groups = [group for group in groups if group]
        output = cluster.folder / "output"
        output.mkdir()
        schedule = output / "schedule"
        schedule.write_text("".join(f"test: {' '.join(group)}\n" for group in groups))
        runner = cluster.runner
        if runner.user:
            os.chown(output, runner.user.pw_uid, runner.user.pw_gid)
        argv = [tree.folder / self.folder / self.program, "--use-existing", f"--inputdir={tree.folder / self.folder}",
                f"--outputdir={output}", f"--bindir={cluster.programs}", f"--dlpath={tree.libraries}",
                "--host=127.0.0.1", f"--port={port}", f"--user={USER}", f"--dbname={self.database}",
                f"--schedule={schedule}"]
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("PG", "LC_", "LANG"))}
        # How long a blocked step of an isolation test may take: a few times what the slowest takes.
        environment |= {"LC_ALL": "C", "PGISOLATIONTIMEOUT": "60"}
        began = time.monotonic()
        note = f"{len(left_out)} left out" if left_out else ""
        with open(output / "stdout", "wb") as log:
            process = runner.start(argv, unprivileged=True, cwd=output, env=environment, end_signal=signal.SIGTERM,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                note = f"ended after {timeout:.0f} s"
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        failed, passed = read((output / "stdout").read_text(errors="replace"))
        names = [name for group in groups for name in group]
        return Run(output, names, failed, passed, time.monotonic() - began, note)


def read(text):
    """The names of the tests that failed, and of those that passed."""
    failed, passed = set(), set()
    for line in text.splitlines():
        found = RESULT.match(line)
        if found:
            is_ok = found["result"] == "ok" or (found["tap"] and not found["not"])
            (passed if is_ok else failed).add(found["name"] or found["tap"])
    return failed, passed


SUITES = {
    "regress": Suite("src/test/regress", "pg_regress", "parallel_schedule", "regression", ["test_setup"]),
    "isolation": Suite("src/test/isolation", "pg_isolation_regress", "isolation_schedule", "isolation_regression", []),
}
