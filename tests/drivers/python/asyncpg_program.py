"""asyncpg, which names its statements and keeps a hundred of them."""

import asyncio
import contextlib
import io
import os

import asyncpg

from loop import Driver, serve

LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


class Asyncpg(Driver):
    can = ["copy", "copy_failed", "batch", "cursor", "listen", "cancel", "nested"]

    def __init__(self) -> None:
        super().__init__()
        self.transactions: dict = {}
        self.notifications: dict = {}

    def run(self, awaitable):
        return LOOP.run_until_complete(awaitable)

    def connect(self):
        return self.run(asyncpg.connect(os.environ["DATABASE_URL"]))

    def close(self, connection):
        self.run(connection.close(timeout=2))

    def reset(self, request):
        for task in self.running.values():
            task.cancel()
        super().reset(request)
        self.transactions.clear()
        self.notifications.clear()

    def query(self, request):
        connection = self.connections[request["client"]]
        return [list(row) for row in self.run(connection.fetch(request["sql"], *request["parameters"]))]

    def simple(self, request):
        connection = self.connections[request["client"]]
        words = request["sql"].split()[0].lower()
        if words in ("show", "fetch", "execute", "select") and ";" not in request["sql"]:
            # `execute` gives no rows.
            return [list(row) for row in self.run(connection.fetch(request["sql"]))]
        self.run(connection.execute(request["sql"]))
        return []

    def begin(self, request):
        transaction = self.connections[request["client"]].transaction()
        self.run(transaction.start())
        self.transactions[request["client"]] = transaction

    def commit(self, request):
        self.run(self.transactions.pop(request["client"]).commit())

    def rollback(self, request):
        self.run(self.transactions.pop(request["client"]).rollback())

    def drop(self, request):
        self.transactions.pop(request["client"], None)
        self.connections.pop(request["client"]).terminate()
        self.run(asyncio.sleep(0))

    def nested(self, request):
        async def work():
            connection = self.connections[request["client"]]
            async with connection.transaction():
                await connection.execute("insert into account values ($1, 'outer')", request["key"])
                with contextlib.suppress(asyncpg.UniqueViolationError):
                    async with connection.transaction():
                        await connection.execute("insert into account values ($1, 'inner')", request["key"])
                await connection.execute("update account set name = name || '!' where id = $1", request["key"])
            return await connection.fetchval("select name from account where id = $1", request["key"])

        return self.run(work())

    def batch(self, request):
        # executemany is what asyncpg sends as one batch.
        async def work():
            connection = self.connections[request["client"]]
            results = []
            async with connection.transaction():
                for sql, parameters in request["statements"]:
                    if sql.startswith("select"):
                        results.append([list(row) for row in await connection.fetchmany(sql, [parameters])])
                    else:
                        await connection.executemany(sql, [parameters, parameters])
            return results

        return self.run(work())

    def cursor(self, request):
        connection = self.connections[request["client"]]

        async def work():
            return await connection.cursor(request["sql"]), request["size"]

        self.cursors[request["client"]] = self.run(work())

    def fetch(self, request):
        cursor, size = self.cursors[request["client"]]
        return [list(row) for row in self.run(cursor.fetch(size))]

    def copy_in(self, request):
        connection = self.connections[request["client"]]
        source = io.BytesIO(request["data"].encode())
        self.run(connection.copy_to_table("copied", source=source))

    def copy_out(self, request):
        output = io.BytesIO()
        query = request["sql"].removeprefix("copy (").removesuffix(") to stdout")
        self.run(self.connections[request["client"]].copy_from_query(query, output=output))
        return output.getvalue().decode()

    def listen(self, request):
        queue = self.notifications[request["client"]] = asyncio.Queue()

        def heard(_connection, _pid, channel, payload):
            queue.put_nowait([channel, payload])

        self.heard = heard
        self.run(self.connections[request["client"]].add_listener(request["channel"], heard))

    def unlisten(self, request):
        self.run(self.connections[request["client"]].remove_listener(request["channel"], self.heard))

    def notification(self, request):
        return self.run(asyncio.wait_for(self.notifications[request["client"]].get(), 5))

    def start(self, request):
        task = LOOP.create_task(self.connections[request["client"]].fetch(request["sql"]))
        self.running[request["client"]] = task
        self.run(asyncio.sleep(0.05))

    def cancel(self, request):
        # Cancelling a task has asyncpg send a cancel request.
        self.running[request["client"]].cancel()

    def wait(self, request):
        task = self.running.pop(request["client"])
        try:
            self.run(asyncio.wait_for(task, 8))
        except asyncio.CancelledError:
            return "cancelled"
        return "done"


serve(Asyncpg())
