"""SQLAlchemy's engine and its objects, over psycopg or asyncpg: an engine with one connection for each client."""

import asyncio
import os
import sys

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from loop import Driver, serve

HOW = sys.argv[1]
URL = os.environ["DATABASE_URL"].replace("postgres://", f"postgresql+{HOW}://")
LOOP = asyncio.new_event_loop()


class Base(orm.DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "account"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]


class SqlAlchemy(Driver):
    """With asyncpg everything runs in SQLAlchemy's bridge between blocking and awaiting code."""

    can = ["objects", "nested"]

    def run(self, work):
        if HOW != "asyncpg":
            return work()
        return LOOP.run_until_complete(greenlet_spawn(work))

    def connect(self):
        if HOW == "asyncpg":
            engine = create_async_engine(URL, poolclass=sa.NullPool).sync_engine
        else:
            engine = sa.create_engine(URL, poolclass=sa.NullPool, connect_args={"prepare_threshold": 0})
        return self.run(lambda: engine.connect().execution_options(isolation_level="AUTOCOMMIT"))

    def close(self, connection):
        self.run(connection.close)

    def rows(self, result):
        return [list(row) for row in result] if result.returns_rows else []

    def query(self, request):
        connection = self.connections[request["client"]]
        sql = request["sql"]
        for number, _ in enumerate(request["parameters"], 1):
            # A colon is a parameter to it, so casts are escaped.
            sql = sql.replace(f"${number}", f"\0p{number}")
        text = sa.text(sql.replace(":", "\\:").replace("\0", ":"))
        values = {f"p{number}": value for number, value in enumerate(request["parameters"], 1)}
        return self.run(lambda: self.rows(connection.execute(text, values)))

    def simple(self, request):
        connection = self.connections[request["client"]]
        parts = request["sql"].split("; ")
        return self.run(lambda: [self.rows(connection.exec_driver_sql(part)) for part in parts][-1])

    def begin(self, request):
        connection = self.connections[request["client"]]

        def work():
            connection.commit()
            connection.execution_options(isolation_level="READ COMMITTED")
            connection.begin()

        self.run(work)

    def end(self, request, how):
        connection = self.connections[request["client"]]

        def work():
            getattr(connection, how)()
            connection.execution_options(isolation_level="AUTOCOMMIT")

        self.run(work)

    def commit(self, request):
        self.end(request, "commit")

    def rollback(self, request):
        self.end(request, "rollback")

    def drop(self, request):
        connection = self.connections.pop(request["client"])

        def work():
            # In the middle of its transaction.
            driver = connection.connection.driver_connection
            driver.terminate() if HOW == "asyncpg" else driver.close()

        self.run(work)

    def objects(self, request):
        connection, key = self.connections[request["client"]], request["key"]

        def work():
            with orm.Session(connection) as session:
                session.add(Account(id=key, name="created"))
                session.flush()
                account = session.get(Account, key)
                account.name += ", changed"
                session.flush()
                found = session.scalars(sa.select(Account).where(Account.id.in_([key, 1])).order_by(Account.id))
                seen = [[account.id, account.name] for account in found]
                session.delete(account)
                session.flush()
                return [seen, session.scalar(sa.select(sa.func.count()).where(Account.id == key))]

        return self.run(work)

    def nested(self, request):
        client, key = request["client"], request["key"]
        self.begin(request)

        def work():
            connection = self.connections[client]
            connection.execute(sa.insert(Account).values(id=key, name="outer"))
            try:
                with connection.begin_nested():
                    connection.execute(sa.insert(Account).values(id=key, name="inner"))
            except sa.exc.IntegrityError:
                pass
            connection.execute(sa.update(Account).where(Account.id == key).values(name="outer!"))

        self.run(work)
        self.commit(request)
        return self.run(lambda: self.rows(self.connections[client].execute(sa.select(Account.name).where(Account.id == key))))


serve(SqlAlchemy())
