"""The loop of a driver's program: requests on standard input, answers on standard output. README.md lists them."""

import json
import re
import sys
import threading


class Driver:
    """What a program gives the loop. Connections are kept by the client's number."""

    can: list = []

    def __init__(self) -> None:
        self.connections: dict = {}
        self.cursors: dict = {}
        self.running: dict = {}

    def connect(self):
        raise NotImplementedError

    def sqlstate(self, error: Exception) -> str | None:
        """The SQLSTATE, also where the driver wraps an error in its own."""
        while error is not None:
            state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
            if state:
                return state
            error = getattr(error, "orig", None) or error.__cause__
        return None

    def hello(self, _request):
        return self.can

    def open(self, request):
        self.connections[request["client"]] = self.connect()

    def reset(self, _request):
        for connection in self.connections.values():
            try:
                self.close(connection)
            except Exception:  # A connection that broke is gone all the same.
                pass
        self.connections.clear()
        self.cursors.clear()
        self.running.clear()

    def close(self, connection) -> None:
        connection.close()

    def cancel(self, request):
        raise NotImplementedError

    def start(self, request):
        """Runs a statement in a thread, for `cancel` and `wait`."""
        outcome: dict = {}

        def work() -> None:
            outcome.update(answer(self, request | {"op": "simple"}))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.running[request["client"]] = thread, outcome

    def wait(self, request):
        thread, outcome = self.running.pop(request["client"])
        thread.join(8)
        if "error" in outcome:
            raise Reported(outcome)
        return outcome.get("result", "still running")


class Reported(Exception):
    """An error of another thread, as it is answered."""

    def __init__(self, outcome: dict) -> None:
        super().__init__(outcome.get("message"))
        self.sqlstate = outcome["error"]


def placeholders(sql: str, style: str = "%s") -> str:
    """`$1` in the style of a driver."""
    return re.sub(r"\$\d+", style, sql.replace("%", "%%") if style == "%s" else sql)


def answer(driver: Driver, request: dict) -> dict:
    try:
        return {"result": getattr(driver, request["op"])(request)}
    except Exception as error:  # Everything is reported, and judged by the runner.
        return {"error": driver.sqlstate(error) or type(error).__name__, "message": str(error)[:300]}


def serve(driver: Driver) -> None:
    for line in sys.stdin:
        print(json.dumps(answer(driver, json.loads(line)), default=str), flush=True)
