"""A throw-away PostgreSQL, and what stands in front of it: nothing, pgweir or PgBouncer.

Every run of a driver gets a database and a pooler of its own. PostgreSQL's log says how many connections each
database has had, which is how the servers of a pooler are counted.
"""

import contextlib
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
USER = PASSWORD = "app"
# Seconds that something may take to start or stop.
PATIENCE = 20


class Missing(Exception):
    """Something that the run needs is not on this machine."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen, log: pathlib.Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Missing(f"{process.args[0]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise Missing(f"{process.args[0]} does not listen on port {port}:\n{log.read_text()[-2000:]}")


def stop(process: subprocess.Popen, how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Postgres:
    """A cluster in a temporary folder, with the ordinary role `app`."""

    def __init__(self) -> None:
        self.bin = self._binaries()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgweir-drivers-"))
        self.log = self.folder / "log"
        self.port = free_port()
        # initdb and postgres refuse root.
        self.account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.account:
            shutil.chown(self.folder, "postgres", "postgres")
        self.process = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _binaries() -> pathlib.Path:
        named = os.environ.get("PGWEIR_POSTGRES_BIN")
        found = [named] if named else glob.glob("/usr/lib/postgresql/*/bin")
        found = [pathlib.Path(path) for path in found if os.path.exists(os.path.join(path, "initdb"))]
        if not found:
            raise Missing("no PostgreSQL: install postgresql, or set PGWEIR_POSTGRES_BIN to the folder of initdb")
        return max(found, key=lambda path: [int(part) for part in re.findall(r"\d+", str(path))])

    def _start(self) -> None:
        data = self.folder / "data"
        subprocess.run(
            [self.bin / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-A", "trust"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **self.account,
        )
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder,
            "fsync": "off", "log_connections": "on", "max_connections": "60", "shared_buffers": "32MB",
        }
        with open(data / "postgresql.conf", "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (data / "pg_hba.conf").write_text(
            "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", data], stdout=subprocess.DEVNULL, stderr=open(self.log, "w"),
            cwd="/", start_new_session=True, **self.account,
        )
        wait_for_port(self.port, self.process, self.log)
        end = time.monotonic() + PATIENCE
        while subprocess.run(self._psql("postgres"), input="", text=True, stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > end:
                raise Missing(f"PostgreSQL is not ready:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        self.sql("postgres", f"create role {USER} login password '{PASSWORD}'")

    def _psql(self, database: str, user: str = "postgres") -> list:
        return [
            self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port),
            "-U", user, "-d", database,
        ]

    def sql(self, database: str, text: str, user: str = "postgres") -> str:
        done = subprocess.run(
            self._psql(database, user), input=text, text=True, check=True, stdout=subprocess.PIPE,
        )
        return done.stdout.strip()

    def database(self, name: str, schema: str | None = None) -> None:
        """Makes an empty database, or one with the tables of the cases."""
        self.sql("postgres", f'set client_min_messages = warning; drop database if exists "{name}"')
        self.sql("postgres", f'create database "{name}" owner {USER}')
        if schema is not None:
            self.sql(name, f"set role {USER};{schema}")

    def connections(self, database: str, user: str) -> int:
        """How often a role connected to a database so far."""
        words = rf"connection authorized: user={user} database={re.escape(database)}(?!\S)"
        return len(re.findall(words, self.log.read_text()))

    def close(self) -> None:
        if self.process is not None:
            stop(self.process, signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Direct:
    """No pooler."""

    name = "direct"

    def __init__(self, _postgres: Postgres, _port: int, _size: int, _mode: str = "transaction") -> None:
        pass

    def close(self) -> None:
        pass


class Pooler:
    """A process with a configuration file in a temporary folder."""

    def __init__(self, postgres: Postgres, port: int, size: int, mode: str = "transaction") -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="pgweir-drivers-")
        folder = pathlib.Path(self.folder.name)
        self.log = folder / "log"
        self.port = port
        self.process = None
        try:
            account = self._account()
            if account:
                shutil.chown(folder, account["user"], account["group"])
            self.process = subprocess.Popen(
                self._command(folder, postgres, size, mode), stdout=subprocess.DEVNULL,
                stderr=open(self.log, "w"), start_new_session=True, **account,
            )
            wait_for_port(self.port, self.process, self.log)
        except BaseException:
            self.close()
            raise

    def _account(self) -> dict:
        return {}

    def close(self) -> None:
        if self.process is not None:
            stop(self.process, signal.SIGINT)
            if keep := os.environ.get("DRIVERS_LOG"):
                with open(keep, "a") as file:
                    file.write(self.log.read_text())
        self.folder.cleanup()


class Pgweir(Pooler):
    name = "pgweir"

    def _command(self, folder: pathlib.Path, postgres: Postgres, size: int, mode: str) -> list:
        binary = os.environ.get("PGWEIR_BIN") or ROOT / "target/debug/pgweir"
        if not os.access(binary, os.X_OK):
            raise Missing(f"no pgweir at {binary}: build it (cargo build -p pgweir-cli), or set PGWEIR_BIN")
        file = folder / "pgweir.toml"
        file.write_text(f"""
[pgweir]
listen_addr = "127.0.0.1"
listen_port = {self.port}
auth_type = "scram-sha-256"
pool_mode = "{mode}"
default_pool_size = {size}
query_wait_timeout = 2
shutdown_timeout = 0
http_listen = "off"

[databases."*"]
host = "127.0.0.1"
port = {postgres.port}

[users.{USER}]
password = "{PASSWORD}"

[users.postgres]
password = "postgres"
""")
        return [binary, "serve", file]


class PgBouncer(Pooler):
    """For comparison."""

    name = "pgbouncer"

    def _account(self) -> dict:
        # It refuses root.
        return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}

    def _command(self, folder: pathlib.Path, postgres: Postgres, size: int, mode: str) -> list:
        binary = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer")
        if not binary:
            raise Missing("no pgbouncer: install it, or set PGBOUNCER to its path")
        (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n"postgres" "postgres"\n')
        file = folder / "pgbouncer.ini"
        file.write_text(f"""
[databases]
* = host=127.0.0.1 port={postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
max_prepared_statements = 200
query_wait_timeout = 2
ignore_startup_parameters = extra_float_digits, options
""")
        return [binary, file]


WAYS = {way.name: way for way in (Direct, Pgweir, PgBouncer)}
