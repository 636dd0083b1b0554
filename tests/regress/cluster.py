"""A throw-away PostgreSQL for one run of a suite."""

import os
import shutil
import signal
import subprocess
import time

from lab.postgres import find_programs, free_port
from lab.processes import Failed

USER = "postgres"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A group of twenty tests, each with a server or two, and what a pooler keeps of the group before.
    "max_connections": 300,
    "max_prepared_transactions": 2,
    "fsync": "off",
    "log_line_prefix": "%m %b[%p] %q%a ",
    "log_statement": "none",
}


class Cluster:
    """A cluster in a folder of its own; a template is copied and never started."""

    def __init__(self, runner, folder):
        self.runner = runner
        self.folder = folder
        self.programs = find_programs()
        self.port = free_port()

    @classmethod
    def template(cls, runner, folder):
        """Makes a cluster to copy."""
        cluster = cls(runner, folder / "template")
        runner.run([cluster.programs / "initdb", "-D", cluster.folder / "data", "-U", USER, "-A", "trust",
                    "-E", "UTF8", "--locale=C", "--no-sync"], unprivileged=True, cwd=folder)
        return cluster

    def copy(self, folder):
        """A copy with a port of its own."""
        shutil.copytree(self.folder, folder, symlinks=True)
        if self.runner.user:
            for path, _, names in os.walk(folder):
                for entry in [path, *(os.path.join(path, name) for name in names)]:
                    os.chown(entry, self.runner.user.pw_uid, self.runner.user.pw_gid)
        return Cluster(self.runner, folder)

    def start(self):
        """Starts it, and returns when it answers."""
        settings = SETTINGS | {"port": self.port, "unix_socket_directories": self.folder}
        argv = [self.programs / "postgres", "-D", self.folder / "data"]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        # SIGQUIT is PostgreSQL's immediate shutdown, which ends the backends too.
        with open(self.folder / "postgres.log", "ab") as log:
            server = self.runner.start(argv, unprivileged=True, cwd=self.folder, end_signal=signal.SIGQUIT,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.sql("SELECT 1")
                return
            except Failed:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def sql(self, *texts, database="postgres"):
        """Runs commands directly, each in a transaction of its own."""
        commands = [part for text in texts for part in ("-c", text)]
        argv = [self.programs / "psql", "-h", "127.0.0.1", "-p", self.port, "-U", USER, "-d", database,
                "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *commands]
        return self.runner.run(argv, env=os.environ | {"LC_ALL": "C"})
