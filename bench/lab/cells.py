"""The cells: what is measured, with which poolers, and the goals."""

import dataclasses
import shutil
import typing

from . import measure


@dataclasses.dataclass(frozen=True)
class Contender:
    """A pooler with its configuration."""

    label: str
    program: str
    options: dict


@dataclasses.dataclass(frozen=True)
class Goal:
    """A limit for a number, either as a ratio to the first contender's or absolute."""

    metric: str
    bound: float
    at_most: bool = True
    is_ratio: bool = True

    def met(self, value):
        """Whether the value meets the goal."""
        return value <= self.bound if self.at_most else value >= self.bound

    def __str__(self):
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One measurement, made with each contender in turn; the others are compared with the first."""

    name: str
    title: str
    group: str
    contenders: list
    run: typing.Callable
    options: dict
    metrics: tuple
    goals: tuple = ()
    fake_server: bool = False
    pinned: bool = False
    without: str = ""


AT_MOST, AT_LEAST = True, False
CPU = Goal("cpu_us", 0.75)
SPEED = (Goal("tps", 1.0, AT_LEAST), Goal("p99_ms", 1.0))
PER_TRANSACTION = ("cpu_us", "user_us", "system_us", "tps", "p50_ms", "p99_ms", "foreign_cores")
SATURATED = ("tx_per_cpu_s", "cpu_us", "user_us", "tps", "p99_ms", "cores", "errors")

GROUPS = {
    "pgbench": "pgbench -S on PostgreSQL",
    "prepared": "pgbench -S -M prepared, session mode",
    "prepared-tx": "pgbench -S -M prepared, transaction mode",
    "own": "What each client, or transaction, has of its own, transaction mode",
    "tls": "pgbench -S with TLS, transaction mode",
    "fake": "Saturation: one transaction per write, a server that answers at once",
    "pipelined": "16 transactions per write, a server that answers at once",
    "memory": "Idle clients",
    "connect": "Connections with SCRAM",
    "bulk": "Large results and COPY",
    "busy": "1,000 busy clients over 20 servers",
    "calls": "System calls per transaction",
    "workers": "Two workers against one",
    "sight": "pgbench -S while everything is found out and shown, against nothing",
}


def all_cells(lab):
    """Every cell, in the order of the run."""
    return [*pgbench_cells(lab), *own_cells(lab), *tls_cells(lab), *fake_cells(lab), *client_cells(lab), *call_cells(lab),
            *worker_cells(lab), *sight_cells()]


def against(**options):
    """PgBouncer, pgweir with one worker, and pgweir with automatic workers, with the same settings."""
    return [
        Contender("pgbouncer", "pgbouncer", options),
        Contender("pgweir", "pgweir", options | {"workers": 1}),
        Contender("pgweir-auto", "pgweir", options | {"workers": "auto"}),
    ]


def without_prepared(lab):
    """Why PgBouncer cannot run a cell with prepared statements in transaction mode, or None."""
    if lab.pgbouncer.has_prepared_statements:
        return ""
    return f"{lab.pgbouncer.version} has no prepared statements in transaction mode (1.21 has)"


def pgbench_cells(lab):
    cells = []
    for mode in ("simple", "extended", "prepared"):
        for clients in (10, 50):
            options = {"mode": mode, "clients": clients}
            prepared = mode == "prepared"
            # In session mode every client needs a server.
            contenders = against(mode="session", pool_size=60) if prepared else against()
            cells.append(Cell(
                f"{mode}-{clients}", f"{mode}, {clients} clients",
                "prepared" if prepared else "pgbench", contenders, measure.pgbench, options,
                PER_TRANSACTION, (CPU, *SPEED)))
            if prepared:
                cells.append(Cell(
                    f"{mode}-tx-{clients}", f"{mode}, {clients} clients", "prepared-tx",
                    against(), measure.pgbench, options, PER_TRANSACTION,
                    (Goal("cpu_us", 0.70), *SPEED), without=without_prepared(lab)))
    return cells


def own_cells(lab):
    local = "BEGIN; SET LOCAL work_mem TO '1MB'; SELECT 1; COMMIT"
    cells = []
    for name, title, options, goal, needs_prepared in (
        ("statements", "prepared, all statements different", {"mode": "prepared", "own": "statement"}, 0.85, True),
        ("settings", "simple, each client with a setting of its own", {"mode": "simple", "own": "setting"}, 0.85, False),
        ("local", "simple, each transaction with a SET LOCAL", {"mode": "simple", "sql": local}, 0.85, False),
    ):
        scale = {} if "sql" in options else {"scale": 10}
        cells.append(Cell(
            f"own-{name}", title, "own", against(), measure.load, options | scale | {"clients": 50},
            PER_TRANSACTION, (Goal("cpu_us", goal),),
            without=without_prepared(lab) if needs_prepared else ""))
    return cells


def tls_cells(lab):
    """TLS of either side, with OpenSSL in PgBouncer."""
    cells = []
    for side in ("clients", "servers"):
        for mode in ("simple", "prepared"):
            needs_prepared = mode == "prepared"
            cells.append(Cell(
                f"tls-{side}-{mode}", f"{mode}, 50 clients, TLS with {side}", "tls", against(tls=(side,)),
                measure.pgbench, {"mode": mode, "clients": 50}, PER_TRANSACTION, (Goal("cpu_us", 0.80),),
                without=without_prepared(lab) if needs_prepared else ""))
    cells.append(Cell(
        "tls-logins", "each transaction on a new connection, TLS with clients", "tls", against(tls=("clients",)),
        measure.pgbench, {"mode": "simple", "clients": 10, "each_connects": True}, PER_TRANSACTION,
        (Goal("cpu_us", 1.0),)))
    return cells


def fake_cells(lab):
    cells = []
    for pipeline, group, name in ((1, "fake", "fake"), (16, "pipelined", "pipe16")):
        for mode in ("simple", "extended", "prepared"):
            options = {"mode": mode, "clients": 50, "pipeline": pipeline}
            prepared = mode == "prepared"
            contenders = against(mode="session", pool_size=60) if prepared else against()
            goals = (Goal("tx_per_cpu_s", 1.0, AT_LEAST),)
            title = f"{mode}, session mode" if prepared else mode
            cells.append(Cell(f"{name}-{mode}", title, group, contenders, measure.load, options,
                              SATURATED, goals, fake_server=True, pinned=True))
            if prepared:
                bound = 6.0 if pipeline > 1 else 1.0
                goals = (Goal("tx_per_cpu_s", bound, AT_LEAST),)
                cells.append(Cell(
                    f"{name}-{mode}-tx", f"{mode}, transaction mode", group,
                    against(), measure.load, options, SATURATED, goals,
                    fake_server=True, pinned=True, without=without_prepared(lab)))
    return cells


def client_cells(lab):
    steps = (1000,) if lab.quick else (1000, 5000, 10_000)
    per_client = tuple(f"kib_per_client_{step}" for step in steps)
    memory = ("rss_kib_0", *(f"rss_kib_{step}" for step in steps), "rss_kib_after", *per_client,
              "idle_login_cpu_us", "idle_cores")
    cells = [
        Cell("memory", "no transaction", "memory", against(), measure.idle, {"steps": steps}, memory,
             (*(Goal(name, 1.0) for name in per_client), Goal("idle_login_cpu_us", 1.0))),
        Cell("connect", "connect, SELECT 1, disconnect", "connect", against(), measure.connect, {},
             ("login_cpu_us", "connections_per_s", "p50_ms", "p99_ms", "client_hashes", "errors"),
             (Goal("login_cpu_us", 1.0), Goal("connections_per_s", 1.0, AT_LEAST))),
    ]
    for what in ("select", "copy out", "copy in"):
        cells.append(Cell(
            f"bulk-{what.replace(' ', '-')}", what, "bulk", against(), measure.bulk, {"what": what},
            ("cpu_s_per_gb", "user_s_per_gb", "system_s_per_gb", "mb_per_s", "foreign_cores"),
            (Goal("cpu_s_per_gb", 0.8),)))
    for mode in ("simple", "extended"):
        cells.append(Cell(
            f"busy-{mode}", mode, "busy", against(), measure.load,
            {"mode": mode, "clients": 1000, "scale": 10},
            ("longest_wait_ms", "slowest_to_median", "errors", *PER_TRANSACTION),
            (Goal("longest_wait_ms", 1.0),
             Goal("slowest_to_median", 0.9, AT_LEAST, is_ratio=False),
             Goal("errors", 0, AT_MOST, is_ratio=False))))
    return cells


def call_cells(_lab):
    missing = "" if shutil.which("strace") else "strace is not installed"
    metrics = ("calls_per_tx", "sends_per_tx", "receives_per_tx", "epoll_ctl_per_tx",
               "epoll_wait_per_tx", "futex_per_tx")
    cells = []
    for mode in ("simple", "extended", "prepared"):
        prepared = mode == "prepared"
        contenders = against(mode="session", pool_size=60) if prepared else against()
        cells.append(Cell(
            f"calls-{mode}", f"{mode}, session mode" if prepared else mode, "calls", contenders,
            measure.system_calls, {"mode": mode, "clients": 50, "scale": 10}, metrics,
            without=missing))
    return cells


def sight_cells():
    contenders = [Contender(sight, "pgweir", {"workers": 1, "sight": sight})
                  for sight in ("nothing", "everything")]
    return [
        Cell(f"sight-{mode}-{clients}", f"{mode}, {clients} clients", "sight", contenders,
             measure.watched_pgbench, {"mode": mode, "clients": clients}, PER_TRANSACTION,
             (Goal("cpu_us", 1.03),))
        for mode, clients in (("simple", 10), ("extended", 50))
    ]


def worker_cells(_lab):
    contenders = [Contender("1 worker", "pgweir", {"workers": 1}),
                  Contender("2 workers", "pgweir", {"workers": 2})]
    goals = (Goal("cpu_us", 1.15),)
    return [
        Cell("workers-closed", "50 clients, as many as go", "workers", contenders, measure.load,
             {"mode": "simple", "clients": 50}, SATURATED, goals, fake_server=True),
        Cell("workers-rate", "50 clients, 12,000 transactions per second", "workers", contenders,
             measure.load, {"mode": "simple", "clients": 50, "rate": 12_000}, SATURATED, goals,
             fake_server=True),
    ]
