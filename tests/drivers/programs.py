"""The runner's side of a driver's program: one JSON object per line each way.

A program answers each request in turn, `{"result": …}` or `{"error": SQLSTATE or word, "message": …}`. README.md
lists the requests. A program that does not answer in time is killed, and another one is started for the next case.
"""

import json
import os
import pathlib
import select
import signal
import subprocess
import time


class Silent(Exception):
    """A program did not answer in time, or ended."""


class Program:
    """A driver's program, started when it is first asked for something."""

    def __init__(self, command: list, environment: dict, log: pathlib.Path, patience: float) -> None:
        self.command = command
        self.environment = environment
        self.log = log
        self.patience = patience
        self.process: subprocess.Popen | None = None
        self.unread = b""

    def ask(self, request: dict) -> dict:
        if self.process is None:
            self.start()
        line = json.dumps(request).encode() + b"\n"
        try:
            # A program reads nothing while it works, but it works on one request at a time.
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except OSError as error:
            raise self.end(f"ended: {error}") from error
        return self.answer(str(request.get("op")))

    def answer(self, what: str) -> dict:
        end = time.monotonic() + self.patience
        while b"\n" not in self.unread:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise self.end(f"no answer to {what} in {self.patience:g} s")
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            if not part:
                raise self.end(f"ended during {what}")
            self.unread += part
        line, _, self.unread = self.unread.partition(b"\n")
        try:
            return json.loads(line)
        except ValueError as error:
            raise self.end(f"said {line[:200]!r}") from error

    def start(self) -> None:
        self.unread = b""
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(self.log, "w"), start_new_session=True,
        )

    def reset(self) -> None:
        """Has the program close its connections, or starts another one for the next case."""
        try:
            if self.process is not None and "error" in self.ask({"op": "reset"}):
                self.close()
        except Silent:
            pass

    def end(self, why: str) -> Silent:
        self.close()
        tail = self.log.read_text(errors="replace")[-600:].strip()
        return Silent(why + (f"; {tail}" if tail else ""))

    def close(self) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        try:
            # Its children too: some interpreters are started by a wrapper.
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        process.stdin.close()
        process.stdout.close()
