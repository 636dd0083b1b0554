"""The measurements. Each takes a running pooler and returns numbers by name.

CPU is the user and system time of all threads of the pooler, from /proc/PID/stat. It is read when the
load prints its first and its last progress line, so that logins and the opening of servers are excluded.
"""

import json
import math
import os
import re
import signal
import subprocess
import time

from . import postgres
from .processes import Failed, Sample, rss_kib
from .watcher import Watcher

WARM_UP = 1.0


def pgbench(lab, pooler, *, mode, clients, seconds, each_connects=False):
    """pgbench -S: CPU per transaction, transactions per second, latencies of a 5 % sample."""
    log = lab.folder / "transactions"
    for old in lab.folder.glob("transactions.*"):
        old.unlink()
    argv = [lab.postgres.programs / "pgbench", *lab.postgres.address(pooler.port), "-S", "-n",
            "-M", mode, "-c", clients, "-j", 2, "-T", max(math.ceil(seconds + WARM_UP), 3), "-P", 1,
            "--progress-timestamp", "--log", f"--log-prefix={log}", "--sampling-rate=0.05",
            *(["-C"] if each_connects else []), postgres.DATABASE]
    sslmode = "require" if pooler.encrypted else "disable"
    process = lab.processes.start(argv, env=lab.postgres.environment | {"PGSSLMODE": sslmode}, text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    first = last = None
    before, count, noise = 0.0, 0.0, []
    try:
        for line in process.stderr:
            found = re.match(r"progress: ([\d.]+) s, ([\d.]+) tps", line)
            if not found:
                noise.append(line.strip())
                continue
            now, tps = map(float, found.groups())
            last = Sample(pooler.pid)
            if first is None:
                first = last
            else:
                count += tps * (now - before)
            before = now
        status = process.wait()
    finally:
        lab.processes.stop(process, signal.SIGKILL)
    if status != 0:
        raise Failed(f"pgbench ended with status {status}: {' '.join(noise)[-300:]}")
    if count == 0:
        raise Failed("pgbench finished no transaction between its first and its last progress line")
    latencies = []
    for file in lab.folder.glob("transactions.*"):
        for line in file.read_text().splitlines():
            fields = line.split()
            if float(fields[4]) + float(fields[5]) / 1e6 >= first.time:
                latencies.append(float(fields[2]) / 1000)
        file.unlink()
    latencies.sort()
    return per_transaction(first, last, count) | {
        "p50_ms": quantile(latencies, 0.5), "p99_ms": quantile(latencies, 0.99)}


def watched_pgbench(lab, pooler, **options):
    """The same while the live page is open and metrics are scraped once per second, if they are
    served."""
    if pooler.http_port is None:
        return pgbench(lab, pooler, **options)
    with Watcher(pooler.http_port):
        return pgbench(lab, pooler, **options)


def load(lab, pooler, *, seconds, cpus=None, **options):
    """The rig's closed loop: like pgbench, with each client's count and the longest wait."""
    result, first, last, count = watch(lab, pooler, "load", seconds, cpus, **options)
    if result["rows"] != result["transactions"]:
        raise Failed(f"{result['transactions']} transactions brought {result['rows']} rows")
    return per_transaction(first, last, count) | {
        "p50_ms": result["p50_us"] / 1000,
        "p99_ms": result["p99_us"] / 1000,
        "longest_wait_ms": result["longest_wait_us"] / 1000,
        "slowest_to_median": result["client_min"] / max(result["client_median"], 1),
        "errors": error_count(result),
    }


def connect(lab, pooler, *, seconds, concurrency=10):
    """Connections per second, each with SCRAM and SELECT 1, and the pooler's CPU for each."""
    result, first, last, count = watch(
        lab, pooler, "connect", seconds, None, concurrency=concurrency)
    numbers = per_transaction(first, last, count)
    return {
        "login_cpu_us": numbers["cpu_us"],
        "connections_per_s": numbers["tps"],
        "p50_ms": result["p50_us"] / 1000,
        "p99_ms": result["p99_us"] / 1000,
        # More than one means that the peer makes new salts, so that the client hashes passwords.
        "client_hashes": result["derivations"],
        "errors": error_count(result),
        "foreign_cores": numbers["foreign_cores"],
    }


def idle(lab, pooler, *, steps, **_):
    """Resident memory with a growing number of idle clients, and the CPU of their logins."""
    numbers = {"rss_kib_0": rss_kib(pooler.pid)}
    held, holders = 0, []
    try:
        for step in steps:
            before = Sample(pooler.pid)
            holder = lab.start_rig("idle", "--clients", step - held, port=pooler.port)
            holders.append(holder)
            if holder.stdout.readline() != "ready\n":
                raise Failed(f"{step} clients cannot log in: {lab.last_log_line()}")
            user, system, _ = before.until(Sample(pooler.pid))
            time.sleep(0.5)
            numbers[f"rss_kib_{step}"] = rss_kib(pooler.pid)
            numbers[f"kib_per_client_{step}"] = (
                (numbers[f"rss_kib_{step}"] - numbers["rss_kib_0"]) / step)
            numbers["idle_login_cpu_us"] = (user + system) / (step - held) * 1e6
            held = step
        before = Sample(pooler.pid)
        time.sleep(2)
        user, system, foreign = before.until(after := Sample(pooler.pid))
        numbers["idle_cores"] = (user + system) / (after.time - before.time)
        numbers["foreign_cores"] = foreign
    finally:
        for holder in holders:
            lab.processes.stop(holder, signal.SIGKILL)
    time.sleep(1)
    numbers["rss_kib_after"] = rss_kib(pooler.pid)
    return numbers


def bulk(lab, pooler, *, what, **_):
    """One large result, COPY out or COPY in: CPU seconds per GB, and MB/s with psql."""
    file = lab.bulk_file
    if what == "copy in":
        lab.postgres.sql("TRUNCATE bulk_in")
    command = {
        "select": "SELECT t FROM bulk",
        "copy out": f"\\copy bulk TO '{os.devnull}'",
        "copy in": f"\\copy bulk_in FROM '{file}'",
    }[what]
    size = file.stat().st_size
    first = Sample(pooler.pid)
    lab.postgres.sql(command, port=pooler.port, output=os.devnull)
    last = Sample(pooler.pid)
    user, system, foreign = first.until(last)
    return {
        "cpu_s_per_gb": (user + system) / size * 1e9,
        "user_s_per_gb": user / size * 1e9,
        "system_s_per_gb": system / size * 1e9,
        "mb_per_s": size / 1e6 / (last.time - first.time),
        "foreign_cores": foreign,
    }


def system_calls(lab, pooler, *, seconds, mode, clients, scale):
    """System calls per transaction, counted by strace. It slows the pooler, so that one epoll_wait
    returns more events. Logins are included, about 20 calls per client, because excluding them would
    require knowing what was in progress when strace attached and detached."""
    table, said = lab.folder / "strace-table", lab.folder / "strace-said"
    with open(said, "wb") as stderr:
        tracer = lab.processes.start(["strace", "-c", "-f", "-o", table, "-p", pooler.pid],
                                     stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        while " attached" not in said.read_text(errors="replace"):
            if tracer.poll() is not None:
                raise Failed(f"strace: {said.read_text(errors='replace').strip()[-300:]}")
            time.sleep(0.002)
        options = flags(mode=mode, clients=clients, scale=scale, seconds=seconds, warm_up=0)
        result = lab.rig("load", *options, port=pooler.port)
        lab.processes.stop(tracer, signal.SIGINT)
    finally:
        lab.processes.stop(tracer, signal.SIGKILL)
    check(result)
    count = result["transactions"]
    calls = {}
    for line in table.read_text().splitlines():
        fields = line.split()
        if len(fields) in (5, 6) and fields[3].isdigit():
            calls[fields[-1]] = int(fields[3])
    total = calls.pop("total", None) or sum(calls.values())
    if count <= 0 or not total:
        raise Failed("strace or the load counted nothing")
    groups = {
        "sends": ("sendto", "sendmsg", "write", "writev"),
        "receives": ("recvfrom", "recvmsg", "read", "readv"),
        "epoll_ctl": ("epoll_ctl",),
        "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll"),
        "futex": ("futex",),
    }
    return {"calls_per_tx": total / count} | {
        f"{name}_per_tx": sum(calls.get(call, 0) for call in group) / count
        for name, group in groups.items()}


def watch(lab, pooler, command, seconds, cpus, **options):
    """Runs the rig and samples the pooler at its first and last progress line."""
    argv = [command, *flags(seconds=seconds, warm_up=WARM_UP, progress=seconds, **options)]
    rig = lab.start_rig(*argv, "--json", port=pooler.port, cpus=cpus)
    points, samples, result = [], [], None
    try:
        for line in rig.stdout:
            if line.startswith("progress"):
                samples.append(Sample(pooler.pid))
                points.append(progress_line(line))
            else:
                result = json.loads(line)
        rig.wait()
        said = rig.stderr.read().strip()
    finally:
        lab.processes.stop(rig, signal.SIGKILL)
    if result is None or len(points) < 2:
        raise Failed(said or "the load brought no result")
    check(result)
    count = points[-1][1] - points[0][1]
    if count == 0:
        raise Failed(f"not one answer; errors: {result['errors']}")
    return result, samples[0], samples[-1], count


def check(result):
    """Fails if clients could not log in, because then the load is not as intended."""
    refused = {name: n for name, n in result["errors"].items() if name.startswith(("login", "setup"))}
    if refused:
        raise Failed(f"clients refused: {refused}")


def per_transaction(first, last, count):
    """The numbers that every load reports."""
    user, system, foreign = first.until(last)
    elapsed = last.time - first.time
    numbers = {
        "cpu_us": (user + system) / count * 1e6,
        "user_us": user / count * 1e6,
        "system_us": system / count * 1e6,
        "tps": count / elapsed,
        "cores": (user + system) / elapsed,
        "foreign_cores": foreign,
    }
    if user + system > 0:
        numbers["tx_per_cpu_s"] = count / (user + system)
    return numbers


def flags(**options):
    """Options of the rig."""
    return [part for name, value in options.items() if value is not None
            for part in (f"--{name.replace('_', '-')}", value)]


def progress_line(line):
    """Time and count."""
    fields = line.split()
    if len(fields) != 3:
        raise Failed("the load brought no result")
    return float(fields[1]), int(fields[2])


def quantile(ordered, share):
    """A percentile of a sorted list; zero if it is empty."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def error_count(result):
    """The number of errors of all kinds."""
    return sum(result["errors"].values())
