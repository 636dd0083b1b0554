"""A temporary PostgreSQL with pgbench's tables, configured so that the disk has no influence."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from .processes import Failed

USER = PASSWORD = DATABASE = "bench"
SCALE = 10

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": 200,
    "shared_buffers": "512MB",
    "password_encryption": "scram-sha-256",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "log_min_messages": "fatal",
}


def find_programs():
    """The directory of initdb, postgres, pgbench and psql."""
    named = os.environ.get("PGWEIR_POSTGRES_BIN")
    places = [pathlib.Path(named)] if named else []
    if not named:
        on_path = shutil.which("initdb")
        places += [pathlib.Path(on_path).resolve().parent] if on_path else []
        versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin")
        places += sorted(versions, key=lambda p: float(p.parent.name), reverse=True)
    for place in places:
        if all((place / name).exists() for name in ("initdb", "postgres", "pgbench", "psql")):
            return place
    raise SystemExit("no PostgreSQL with initdb and pgbench found: install the packages "
                     "postgresql and postgresql-contrib, or set PGWEIR_POSTGRES_BIN to their folder")


def free_port():
    """A free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Postgres:
    """A running cluster."""

    def __init__(self, processes, folder):
        self.processes = processes
        self.programs = find_programs()
        self.data = folder / "data"
        self.port = free_port()
        self.verifier = None
        # Nothing is encrypted but where a cell says so.
        self.environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGAPPNAME": "bench", "LC_ALL": "C",
                            "PGSSLMODE": "disable"}
        self.certificate, self.key = folder / "server.crt", folder / "server.key"

    def version(self):
        """The version as PostgreSQL prints it."""
        out = self.processes.run([self.programs / "postgres", "--version"])
        return out.strip().replace("postgres (PostgreSQL) ", "PostgreSQL ")

    def start(self, log):
        """Creates the cluster, starts it and fills pgbench's tables."""
        password_file = self.data.parent / "password"
        password_file.write_text(PASSWORD)
        self.processes.run(
            [self.programs / "initdb", "-D", self.data, "-U", USER, "-A", "scram-sha-256",
             f"--pwfile={password_file}", "-E", "UTF8", "--locale=C", "--no-sync"],
            unprivileged=True, cwd=self.data.parent)
        self.processes.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", self.certificate, "-keyout", self.key],
            unprivileged=True, cwd=self.data.parent)
        settings = SETTINGS | {
            "port": self.port, "unix_socket_directories": self.data.parent,
            "ssl": "on", "ssl_cert_file": self.certificate, "ssl_key_file": self.key}
        argv = [self.programs / "postgres", "-D", self.data]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        # SIGQUIT is PostgreSQL's immediate shutdown, which ends the backends too.
        server = self.processes.start(
            argv, unprivileged=True, cwd=self.data.parent, end_signal=signal.SIGQUIT,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.sql("SELECT 1", database="postgres")
                break
            except Failed as failure:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"PostgreSQL does not start: {failure}") from None
                time.sleep(0.1)
        self.sql(f"CREATE DATABASE {DATABASE}", database="postgres")
        self.verifier = self.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{USER}'").strip()
        self.processes.run(
            [self.programs / "pgbench", *self.address(self.port), "-i", "-q", "-s", SCALE, DATABASE],
            env=self.environment)

    def make_bulk(self, size):
        """Tables for results and COPY of about `size` bytes, and a file of that size to copy in."""
        rows = size // BULK_ROW_BYTES
        self.sql(f"CREATE UNLOGGED TABLE bulk AS SELECT repeat(md5(i::text), 31) || 'abcdefg' AS t "
                 f"FROM generate_series(1, {rows}) AS i")
        self.sql("CREATE UNLOGGED TABLE bulk_in (t text)")
        file = self.data.parent / "bulk.txt"
        self.sql(f"\\copy bulk TO '{file}'")
        return file

    def address(self, port):
        """Arguments of psql and pgbench for a port."""
        return ["-h", "127.0.0.1", "-p", port, "-U", USER]

    def sql(self, text, *, port=None, database=DATABASE, output=None):
        """Runs a command with psql through the pooler on the given port, or directly, and returns its
        output, unless that goes to a file."""
        to_file = ["-o", output] if output else []
        return self.processes.run(
            [self.programs / "psql", *self.address(port or self.port), "-d", database,
             "-X", "-q", "-At", *to_file, "-v", "ON_ERROR_STOP=1", "-c", text],
            env=self.environment)


# 31 * 32 characters, seven more and a newline.
BULK_ROW_BYTES = 1000
