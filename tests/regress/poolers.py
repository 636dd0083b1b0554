"""The poolers that the suites run through, with the same limits."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

from lab.postgres import free_port
from lab.processes import Failed, find_program

from cluster import USER

ROOT = pathlib.Path(__file__).resolve().parents[2]
# More than the largest group of tests has sessions; three pools (a database and a user each) stay below
# the cluster's max_connections.
POOL_SIZE = 60
CLIENTS = 1000


class Running:
    """A pooler that accepts connections."""

    def __init__(self, process, port):
        self.process = process
        self.port = port


class Pooler:
    """A program, and how it is configured."""

    name = ""

    def __init__(self, runner, folder, program):
        self.runner = runner
        # A copy: the user that runs it may not be able to read the original's folder, and a build may replace it.
        self.program = folder / self.name
        shutil.copy(program, self.program)
        self.program.chmod(0o755)
        self.version = runner.run([self.program, "--version"]).splitlines()[0]

    def start(self, cluster, mode):
        """Starts it in front of a cluster."""
        port = free_port()
        argv = self.configure(cluster, mode, port)
        with open(cluster.folder / "pooler.log", "ab") as log:
            process = self.runner.start(argv, unprivileged=True, cwd=cluster.folder,
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return Running(process, port)
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    words = (cluster.folder / "pooler.log").read_text(errors="replace")[-500:]
                    raise Failed(f"{self.name} does not start: {words}") from None
                time.sleep(0.05)

    def configure(self, cluster, mode, port):
        """Writes its configuration and returns the command."""
        raise NotImplementedError


class Pgweir(Pooler):
    """This build, or the one named in the environment."""

    name = "pgweir"

    def __init__(self, runner, folder):
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        program = find_program("PGWEIR_BIN", "", [target / "debug" / "pgweir"])
        if not program:
            raise SystemExit("target/debug/pgweir is missing: run `make test-regress`, which builds it")
        super().__init__(runner, folder, program)

    def configure(self, cluster, mode, port):
        file = cluster.folder / "pgweir.toml"
        file.write_text(f"""\
[pgweir]
listen_addr = "127.0.0.1"
listen_port = {port}
http_listen = "off"
auth_type = "trust"
pool_mode = "{mode}"
default_pool_size = {POOL_SIZE}
max_client_conn = {CLIENTS}

[databases."*"]
host = "127.0.0.1"
port = {cluster.port}

[users.{USER}]
""")
        return [self.program, "serve", file]


class PgBouncer(Pooler):
    """Debian's PgBouncer, or the one named in the environment."""

    name = "pgbouncer"

    @classmethod
    def find(cls, runner, folder):
        """The program, or nothing: it is only there to compare with."""
        program = find_program("PGBOUNCER", "pgbouncer", ["/usr/sbin/pgbouncer"])
        return cls(runner, folder, program) if program else None

    def configure(self, cluster, mode, port):
        numbers = re.search(r"(\d+)\.(\d+)", self.version)
        version = tuple(map(int, numbers.groups()))
        users = cluster.folder / "users.txt"
        users.write_text(f'"{USER}" ""\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": users,
            "pool_mode": mode,
            "default_pool_size": POOL_SIZE,
            "max_client_conn": CLIENTS,
        }
        if version < (1, 20):
            # It refuses what it does not know, and the suites send `options`.
            settings["ignore_startup_parameters"] = "options"
        if version >= (1, 21):
            settings["max_prepared_statements"] = 200
        file = cluster.folder / "pgbouncer.ini"
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        database = f"* = host=127.0.0.1 port={cluster.port}\n"
        file.write_text(f"[databases]\n{database}[pgbouncer]\n{lines}")
        return [self.program, "-q", file]
