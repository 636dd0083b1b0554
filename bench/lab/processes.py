"""The processes of a run, and the kernel's numbers about them.

No process outlives the run: all of them end with this one, even if it is killed.
"""

import ctypes
import os
import pwd
import resource
import shutil
import signal
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A measurement has no result; the text says why."""


def raise_open_files_limit():
    """Raises the limit of open files, because every client needs one in two processes. Returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def unprivileged_user():
    """The user that runs PostgreSQL and the poolers, which refuse root. None if this is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SystemExit("PostgreSQL and PgBouncer refuse to run as root: create a user 'postgres'")


class Processes:
    """Starts processes and ends them all."""

    def __init__(self, user):
        self.user = user
        self.alive = []
        self.libc = ctypes.CDLL(None, use_errno=True)

    def start(self, argv, *, unprivileged=False, cpus=None, end_signal=signal.SIGKILL, **options):
        """Starts a process, pinned to cores if any are given."""
        if unprivileged and self.user:
            options |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

        def prepare():
            # After the change of user, which would reset it.
            self.libc.prctl(PR_SET_PDEATHSIG, end_signal)
            if cpus:
                os.sched_setaffinity(0, cpus)

        # In a separate session, so that Ctrl-C at the terminal reaches only this process.
        process = subprocess.Popen(
            [str(part) for part in argv], start_new_session=True, preexec_fn=prepare, **options)
        self.alive.append(process)
        return process

    def run(self, argv, *, timeout=600, **options):
        """Runs a process to its end and returns its output."""
        process = self.start(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{os.path.basename(str(argv[0]))} took longer than {timeout} s") from None
        finally:
            self.stop(process, signal.SIGKILL)
        if process.returncode != 0:
            raise Failed(f"{os.path.basename(str(argv[0]))}: {err.strip()[-500:]}")
        return out

    def stop(self, process, end_signal=signal.SIGTERM, timeout=10):
        """Ends a process, by force if it does not end in time."""
        if process.poll() is None:
            process.send_signal(end_signal)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        if process in self.alive:
            self.alive.remove(process)

    def stop_all(self):
        """Ends all processes, the last started first."""
        for process in reversed(list(self.alive)):
            self.stop(process, signal.SIGINT, timeout=5)


class Sample:
    """CPU seconds of a process, of everything this run started, and of the machine, at one moment."""

    def __init__(self, pid):
        self.time = time.time()
        self.user, self.system = cpu_seconds(pid)
        self.ours = descendants_cpu_seconds()
        self.busy = machine_cpu_seconds()

    def until(self, end):
        """User and system seconds of the process and foreign cores between two samples."""
        elapsed = max(end.time - self.time, 1e-9)
        foreign = ((end.busy - self.busy) - (end.ours - self.ours)) / elapsed
        return end.user - self.user, end.system - self.system, max(foreign, 0.0)


def cpu_seconds(pid):
    """User and system seconds of all threads of a process."""
    fields = stat_fields(pid)
    if fields is None:
        raise Failed("the process to measure is gone")
    return int(fields[11]) / TICKS_PER_SECOND, int(fields[12]) / TICKS_PER_SECOND


def rss_kib(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE_BYTES // 1024


def stat_fields(pid):
    """Fields of /proc/PID/stat from the third (the state) on; None if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The second field is a name in parentheses that may contain anything.
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants_cpu_seconds():
    """CPU seconds of this process and all its descendants, including those that ended."""
    children, seconds = {}, {}
    for name in os.listdir("/proc"):
        fields = stat_fields(name) if name.isdigit() else None
        if fields:
            children.setdefault(int(fields[1]), []).append(int(name))
            seconds[int(name)] = sum(map(int, fields[11:15])) / TICKS_PER_SECOND
    total, rest = 0.0, [os.getpid()]
    while rest:
        pid = rest.pop()
        total += seconds.get(pid, 0.0)
        rest += children.get(pid, [])
    return total


def machine_cpu_seconds():
    """CPU seconds of all processes together: user, nice, system."""
    with open("/proc/stat", encoding="ascii") as file:
        return sum(map(int, file.readline().split()[1:4])) / TICKS_PER_SECOND


def find_program(variable, name, places=()):
    """An executable named by an environment variable, in PATH, or in one of some places; or None."""
    named = os.environ.get(variable)
    if named:
        found = shutil.which(named)
        if not found:
            raise SystemExit(f"{variable}={named}: no such program")
        return found
    found = shutil.which(name)
    if found:
        return found
    return next((str(place) for place in places if os.access(place, os.X_OK)), None)
