"""psycopg 3. Every statement is prepared at once; `defaults` prepares after five executions, as psycopg does by
default, and `pipeline` sends every statement through libpq's pipeline mode."""

import os
import socket
import sys

import psycopg

from loop import Driver, placeholders, serve

HOW = sys.argv[1] if len(sys.argv) > 1 else ""


class Psycopg(Driver):
    can = ["copy", "copy_failed", "batch", "cursor", "listen", "cancel", "nested"]

    def connect(self):
        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        if HOW != "defaults":
            connection.prepare_threshold = 0
        return connection

    def rows(self, cursor):
        return cursor.fetchall() if cursor.description else []

    def query(self, request):
        connection = self.connections[request["client"]]
        sql = placeholders(request["sql"])
        if HOW == "pipeline":
            with connection.pipeline():
                cursor = connection.execute(sql, request["parameters"])
            return self.rows(cursor)
        return self.rows(connection.execute(sql, request["parameters"]))

    def simple(self, request):
        # Without parameters and with an unnamed cursor of the client's side: the simple protocol.
        with psycopg.ClientCursor(self.connections[request["client"]]) as cursor:
            return self.rows(cursor.execute(request["sql"], prepare=False))

    def begin(self, request):
        self.connections[request["client"]].autocommit = False

    def commit(self, request):
        connection = self.connections[request["client"]]
        connection.commit()
        connection.autocommit = True

    def rollback(self, request):
        connection = self.connections[request["client"]]
        connection.rollback()
        connection.autocommit = True

    def drop(self, request):
        # The socket, without the message that says goodbye.
        connection = self.connections.pop(request["client"])
        with socket.socket(fileno=os.dup(connection.fileno())) as shared:
            shared.shutdown(socket.SHUT_RDWR)

    def nested(self, request):
        connection = self.connections[request["client"]]
        with connection.transaction():
            connection.execute("insert into account values (%s, 'outer')", [request["key"]])
            try:
                with connection.transaction():
                    connection.execute("insert into account values (%s, 'inner')", [request["key"]])
            except psycopg.errors.UniqueViolation:
                pass
            connection.execute("update account set name = name || '!' where id = %s", [request["key"]])
        return self.rows(connection.execute("select name from account where id = %s", [request["key"]]))

    def batch(self, request):
        connection = self.connections[request["client"]]
        with connection.pipeline():
            cursors = [connection.execute(placeholders(sql), parameters) for sql, parameters in request["statements"]]
        return [self.rows(cursor) for cursor in cursors]

    def cursor(self, request):
        client = request["client"]
        cursor = self.connections[client].cursor(name="large")
        cursor.execute(request["sql"])
        self.cursors[client] = cursor, request["size"]

    def fetch(self, request):
        cursor, size = self.cursors[request["client"]]
        return cursor.fetchmany(size)

    def copy_in(self, request):
        connection = self.connections[request["client"]]
        with connection.cursor() as cursor, cursor.copy(request["sql"]) as copy:
            copy.write(request["data"])

    def copy_out(self, request):
        with self.connections[request["client"]].cursor() as cursor, cursor.copy(request["sql"]) as copy:
            return b"".join(bytes(part) for part in copy).decode()

    def listen(self, request):
        self.connections[request["client"]].execute(f"listen {request['channel']}")

    def unlisten(self, request):
        self.connections[request["client"]].execute(f"unlisten {request['channel']}")

    def notification(self, request):
        for notify in self.connections[request["client"]].notifies(timeout=5, stop_after=1):
            return [notify.channel, notify.payload]
        return "nothing"

    def cancel(self, request):
        self.connections[request["client"]].cancel_safe()


serve(Psycopg())
