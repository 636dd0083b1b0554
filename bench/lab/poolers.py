"""The compared poolers: how each is configured, started and ended.

Both get the same limits. Each measurement starts a new process, so that none inherits the memory or the
connections of the previous one.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from . import postgres
from .processes import Failed, find_program

MAX_CLIENTS = 20_000
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Pooler:
    """An executable and its configuration for each measurement."""

    def __init__(self, lab, program, name):
        self.lab = lab
        self.name = name
        # A copy, because the user that runs it may not have access to the original's directory, and a
        # build may replace the original during the run.
        self.program = lab.folder / f"{name}-program"
        shutil.copy(program, self.program)
        self.program.chmod(0o755)

    def start(self, *, clients=1, mode="transaction", pool_size=20, workers=1, sight=None,
              backend=None, cpus=None, tls=()):
        """Starts the pooler in front of PostgreSQL, or of the backend on another port, and lets
        some clients open its servers, which is slow in PostgreSQL and must not be measured."""
        port = postgres.free_port()
        argv = self.configure(port, backend or self.lab.postgres.port, mode, pool_size, workers)
        self.encrypt(tls)
        http_port = self.see(sight) if sight else None
        process = self.lab.processes.start(
            argv, unprivileged=True, cpus=cpus, cwd=self.lab.folder,
            stdin=subprocess.DEVNULL, stdout=self.lab.log, stderr=self.lab.log)
        running = Running(self.lab, process, port, http_port)
        running.encrypted = "clients" in tls
        try:
            # Opening a server takes tens of milliseconds, and poolers open one at a time.
            slow = clients > 1 and backend is None
            running.wait_until_it_serves(clients, seconds=1.0 if slow else 0.2)
        except BaseException:
            running.stop()
            raise
        return running

    def encrypt(self, tls):
        """Adds what the sides that are named need to speak TLS; the others speak none."""
        lines = [f"server_tls_sslmode = {self.word('require' if 'servers' in tls else 'disable')}"]
        if "clients" in tls:
            files = self.lab.postgres
            lines += [f"client_tls_sslmode = {self.word('allow')}",
                      f"client_tls_cert_file = {self.word(files.certificate)}",
                      f"client_tls_key_file = {self.word(files.key)}"]
        head, _, rest = self.file().read_text().partition(f"[{self.name}]\n")
        self.file().write_text(f"{head}[{self.name}]\n" + "\n".join(lines) + "\n" + rest)

    def file(self):
        """Its configuration."""
        return self.lab.folder / f"{self.name}.{self.suffix}"

    def see(self, sight):
        """Switches observation on or off; only pgweir has it."""
        raise NotImplementedError(sight)

    def limit(self):
        """Client connections to allow: the limit of open files, minus room for servers."""
        return min(MAX_CLIENTS, self.lab.open_files - 200)


class PgBouncer(Pooler):
    """Debian's PgBouncer, or the one named in the environment."""

    suffix = "ini"

    @staticmethod
    def word(value):
        """A value as its file has it."""
        return str(value)

    def __init__(self, lab):
        program = find_program("PGBOUNCER", "pgbouncer", ["/usr/sbin/pgbouncer"])
        if not program:
            raise SystemExit("no PgBouncer found: install it, or set PGBOUNCER to its program")
        super().__init__(lab, program, "pgbouncer")
        self.version = lab.processes.run([program, "--version"]).splitlines()[0]
        numbers = re.search(r"(\d+)\.(\d+)", self.version)
        self.has_prepared_statements = tuple(map(int, numbers.groups())) >= (1, 21)

    def configure(self, port, backend, mode, pool_size, _workers):
        """Writes the files and returns the command."""
        # PostgreSQL's own verifier: it authenticates clients, and their keys authenticate the
        # servers. PgBouncer 1.18 would hash a plain password for each login, which takes
        # milliseconds; the comparison is with PgBouncer at its best.
        users = self.lab.folder / "users.txt"
        users.write_text(f'"{postgres.USER}" "{self.lab.postgres.verifier}"\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": mode,
            "default_pool_size": pool_size,
            "max_client_conn": self.limit(),
            "log_connections": 0,
            "log_disconnections": 0,
            "log_stats": 0,
        }
        if self.has_prepared_statements:
            settings["max_prepared_statements"] = 200
        file = self.file()
        database = f"host=127.0.0.1 port={backend} dbname={postgres.DATABASE}"
        file.write_text(
            f"[databases]\n{postgres.DATABASE} = {database}\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        return [self.program, "-q", file]


class Pgweir(Pooler):
    """This build, or the one named in the environment."""

    suffix = "toml"

    @staticmethod
    def word(value):
        """A value as its file has it."""
        return f'"{value}"'

    def __init__(self, lab):
        program = find_program("PGWEIR", "", [built("pgweir")])
        if not program:
            raise SystemExit("target/release/pgweir is missing: run `make bench`, which builds it")
        super().__init__(lab, program, "pgweir")
        self.version = lab.processes.run([program, "--version"]).strip()

    def configure(self, port, backend, mode, pool_size, workers):
        """Writes the file and returns the command."""
        file = self.file()
        workers = f'"{workers}"' if isinstance(workers, str) else workers
        file.write_text(f"""\
[pgweir]
listen_addr = "127.0.0.1"
listen_port = {port}
auth_type = "scram-sha-256"
pool_mode = "{mode}"
default_pool_size = {pool_size}
max_client_conn = {self.limit()}
workers = {workers}
log_connections = false
log_disconnections = false
log_stats = false

[databases.{postgres.DATABASE}]
host = "127.0.0.1"
port = {backend}
dbname = "{postgres.DATABASE}"

[users.{postgres.USER}]
password = "{postgres.PASSWORD}"
""")
        return [self.program, "serve", file]

    def see(self, sight):
        """Switches all observation off or on; returns the HTTP port, if any."""
        port = postgres.free_port() if sight == "everything" else None
        settings = {
            "nothing": 'http_listen = "off"\ntrack_statements = false\nleak_time = 0\n',
            "everything": f'http_listen = "127.0.0.1:{port}"\nprobe_interval = 1\n'
                          'metrics_compat = "prisma, sqlx"\n',
        }[sight]
        file = self.file()
        file.write_text(file.read_text().replace("[pgweir]\n", "[pgweir]\n" + settings))
        return port


class Running:
    """A running pooler."""

    def __init__(self, lab, process, port, http_port=None):
        self.lab = lab
        self.process = process
        self.pid = process.pid
        self.port = port
        self.http_port = http_port
        self.encrypted = False

    def wait_until_it_serves(self, clients, seconds):
        """Runs queries until every client gets answers."""
        deadline = time.monotonic() + 15
        while True:
            try:
                result = self.lab.rig("load", "--clients", clients, "--seconds", seconds,
                                      "--warm-up", 0, port=self.port)
                if result["client_min"] and not result["errors"]:
                    return
                raise Failed(str(result["errors"] or "some clients get no answer"))
            except Failed as failure:
                if self.process.poll() is not None:
                    raise Failed(f"it ended with status {self.process.returncode}; "
                                 f"its last words: {self.lab.last_log_line()}") from None
                if time.monotonic() > deadline:
                    raise Failed(f"it does not serve: {failure}") from None
                time.sleep(0.05)

    def stop(self):
        """Kills it: its shutdown is not measured, and some poolers wait for clients."""
        self.lab.processes.stop(self.process, signal.SIGKILL)


def built(name):
    """The path of a release build."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / name
