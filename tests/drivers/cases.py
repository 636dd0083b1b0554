"""What every driver does, with four clients that take turns. README.md says each case in words.

A case gets a `Clients` and returns what the clients saw. It is run on a direct connection and through a pooler,
and what it returns must be the same. Nothing in a case may depend on which server a client has, on process ids
or on the time.
"""

import contextlib
from collections.abc import Callable, Iterator

# Case functions by name, in the order in which they run.
CASES: dict[str, Callable] = {}
COUNT = 4


class Failed(Exception):
    """A driver reported an error where a case expects none."""


class Clients:
    """Four connections of one driver. Client numbers are 0 to 3; a fifth one may be opened."""

    def __init__(self, ask: Callable[[dict], dict], can: set[str]) -> None:
        self._ask = ask
        self.can = can
        for number in range(COUNT):
            self.open(number)

    def _do(self, op: str, client: int, **more):
        answer = self._ask({"op": op, "client": client, **more})
        if "error" in answer:
            what = more.get("sql") or more.get("statements") or ""
            raise Failed(f"client {client}, {op} {what}: {answer['error']} {answer.get('message', '')}".strip())
        return answer.get("result")

    def _rows(self, answer) -> list:
        return [[value if value is None else str(value) for value in row] for row in answer or []]

    def open(self, client: int) -> None:
        self._do("open", client)

    def drop(self, client: int) -> None:
        """Ends a connection without finishing what it does."""
        self._do("drop", client)

    def query(self, client: int, sql: str, *parameters) -> list:
        """A prepared statement, in the driver's usual way. `$1`, `$2` … appear once each, and in order."""
        return self._rows(self._do("query", client, sql=sql, parameters=list(parameters)))

    def simple(self, client: int, sql: str) -> list:
        """A statement without parameters, by the simple protocol where the driver has a way to say that."""
        return self._rows(self._do("simple", client, sql=sql))

    def attempt(self, client: int, sql: str, *parameters, op: str = "query"):
        """Rows, or the SQLSTATE."""
        answer = self._ask({"op": op, "client": client, "sql": sql, "parameters": list(parameters)})
        if "error" not in answer:
            return self._rows(answer.get("result"))
        if len(answer["error"]) != 5:
            raise Failed(f"client {client}, {op} {sql}: {answer['error']} {answer.get('message', '')}")
        return answer["error"]

    def begin(self, client: int) -> None:
        self._do("begin", client)

    def commit(self, client: int) -> None:
        self._do("commit", client)

    def rollback(self, client: int) -> None:
        self._do("rollback", client)

    def call(self, op: str, client: int, **more):
        """What only some drivers do."""
        return self._do(op, client, **more)

    @contextlib.contextmanager
    def holding(self, client: int) -> Iterator[None]:
        """Keeps a server busy with a transaction of a client, so that others get another one."""
        self.begin(client)
        self.simple(client, "select 1")
        yield
        self.commit(client)

    def turns(self, rounds: int) -> Iterator[tuple[int, int]]:
        """Rounds and clients. Every second time the next client holds a server, so each client meets both servers."""
        for turn in range(rounds):
            for client in range(COUNT):
                if (turn + client) % 2:
                    with self.holding((client + 1) % COUNT):
                        yield turn, client
                else:
                    yield turn, client

    def others(self, client: int) -> list:
        """All but one, one after the other, with a transaction and with a prepared statement."""
        seen = []
        for other in range(COUNT):
            if other != client:
                with self.holding(other):
                    seen += self.query(other, "select $1::int * 2", other)
        return seen


def case(function: Callable) -> Callable:
    CASES[function.__name__] = function
    return function


def needs(name: str) -> Callable:
    """Marks a case that runs only with drivers which can do something."""

    def mark(function: Callable) -> Callable:
        function.needs = name
        return function

    return mark


@case
def prepared(c: Clients):
    return [c.query(n, "select $1::int + 1, $2::text", turn * 10 + n, f"client {n}") for turn, n in c.turns(6)]


@case
def numbered(c: Clients):
    # Drivers count their statements, so these have the same names with another text for each client.
    seen = []
    for turn, n in c.turns(4):
        for text in range(3):
            factor = 1 + (text + n) % 3
            seen.append(c.query(n, f"select $1::int * {factor}", turn + 1))
    return seen


@case
def many(c: Clients):
    # More statements than a client's usual ration, each used again later.
    return [
        c.query(n, f"select {text} + $1::int", n)
        for turn, n in c.turns(2)
        for text in range(40)
    ]


@case
def failed(c: Clients):
    return [c.attempt(n, "select 10 / $1::int", (turn + n) % 3) for turn, n in c.turns(6)]


@case
def mistaken(c: Clients):
    # A statement that cannot be prepared, then one that can.
    seen = []
    for _, n in c.turns(3):
        seen.append(c.attempt(n, "select $1::int from nowhere", n))
        seen.append(c.query(n, "select $1::int", n))
    return seen


@case
def transactions(c: Clients):
    seen = []
    for turn, n in c.turns(4):
        c.begin(n)
        c.query(n, "insert into written values ($1::int, $2::int)", n, turn)
        seen.append(c.query(n, "select count(*) from written where client = $1::int", n))
        c.commit(n) if turn % 2 else c.rollback(n)
    return [seen, c.query(0, "select client, step from written where step >= $1::int order by 1, 2", 0)]


@case
def savepoint(c: Clients):
    seen = []
    for turn, n in c.turns(3):
        c.begin(n)
        c.query(n, "insert into written values ($1::int, $2::int)", n, turn)
        c.simple(n, "savepoint here")
        seen.append(c.attempt(n, "select 10 / $1::int", 0))
        c.simple(n, "rollback to savepoint here")
        seen.append(c.attempt(n, "select 10 / $1::int", 5))
        c.commit(n)
    return [seen, c.query(0, "select count(*) from written where client >= $1::int", 0)]


@case
def broken_transaction(c: Clients):
    seen = []
    for turn, n in c.turns(2):
        c.begin(n)
        seen.append(c.query(n, "select $1::int + 5", n))
        seen.append(c.attempt(n, "select 10 / $1::int", 0))
        # Where the driver prepares first, this is what it has prepared already.
        seen.append(c.attempt(n, "select $1::int + 5", n))
        c.rollback(n)
        seen.append(c.query(n, "select $1::int + 5", n))
    return seen


@case
def altered(c: Clients):
    for _, n in c.turns(2):
        c.query(n, "select * from shaped where a = $1::int", 1)
    c.simple(0, "alter table shaped add column b text default 'new'")
    # PostgreSQL refuses what was prepared before; some drivers prepare anew.
    return [
        "stale" if rows == "0A000" else rows
        for rows in (c.attempt(n, "select * from shaped where a = $1::int", 1) for n in range(COUNT))
    ]


@case
def recreated(c: Clients):
    c.simple(0, "create table brief as select 1 as a")
    for _, n in c.turns(2):
        c.query(n, "select a from brief where a = $1::int", 1)
    c.simple(0, "drop table brief; create table brief as select 1 as a")
    return [c.query(n, "select a from brief where a = $1::int", 1) for n in range(COUNT)]


@case
def set_reported(c: Clients):
    zones = ["UTC", "Asia/Tokyo", "Europe/Berlin", "America/Lima"]
    for n in range(COUNT):
        c.simple(n, f"set timezone = '{zones[n]}'")
        c.simple(n, f"set application_name = 'client {n}'")
    return [
        c.query(n, "select current_setting('timezone'), current_setting('application_name'), $1::int", n)
        for _, n in c.turns(2)
    ]


SETTINGS = "select current_setting('statement_timeout'), current_setting('work_mem'), $1::int"


@case
def set_unreported(c: Clients):
    for n in range(COUNT):
        c.simple(n, f"set statement_timeout = '{100 + n}s'")
        c.simple(n, f"set work_mem = '{10 + n}MB'")
    return [c.query(n, SETTINGS, n) for _, n in c.turns(3)]


@case
def set_by_function(c: Clients):
    for n in range(COUNT):
        c.query(n, "select set_config('work_mem', $1::text, false)", f"{20 + n}MB")
    return [c.query(n, SETTINGS, n) for _, n in c.turns(2)]


@case
def set_one(c: Clients):
    # Only one client sets something; the others must not see it.
    c.simple(2, "set statement_timeout = '77s'")
    return [c.query(n, SETTINGS, n) for _, n in c.turns(2)]


@case
def set_rolled_back(c: Clients):
    seen = []
    for n in range(COUNT):
        c.begin(n)
        c.simple(n, f"set work_mem = '{30 + n}MB'")
        seen.append(c.query(n, SETTINGS, n))
        c.rollback(n)
    return [seen, [c.query(n, SETTINGS, n) for _, n in c.turns(2)]]


@case
def set_local(c: Clients):
    seen = []
    for _, n in c.turns(2):
        c.begin(n)
        c.simple(n, f"set local work_mem = '{40 + n}MB'")
        seen.append(c.query(n, SETTINGS, n))
        c.commit(n)
        seen.append(c.query(n, SETTINGS, n))
    return seen


@case
def reset(c: Clients):
    for n in range(COUNT):
        c.simple(n, f"set work_mem = '{10 + n}MB'")
        c.simple(n, f"set statement_timeout = '{100 + n}s'")
    seen = [c.query(n, SETTINGS, n) for n in range(COUNT)]
    c.simple(0, "reset work_mem")
    c.simple(1, "reset all")
    return [seen, [c.query(n, SETTINGS, n) for _, n in c.turns(2)]]


@case
def search_path(c: Clients):
    # One text, and another table for each client.
    for n in range(COUNT):
        c.simple(n, f"set search_path = place{n}")
    return [c.query(n, "select name, $1::int from place", 0) for _, n in c.turns(3)]


@case
def tenant(c: Clients):
    notes = "select body from note where tenant >= $1::text"
    seen = [c.query(n, notes, "t") for n in range(COUNT)]
    for n in range(COUNT):
        c.simple(n, f"set app.tenant = 't{n}'")
    seen += [c.query(n, notes, "t") for _, n in c.turns(3)]
    c.simple(1, "set app.tenant = ''")
    return seen + [c.query(n, notes, "t") for _, n in c.turns(2)]


@case
def tenant_of_transaction(c: Clients):
    notes = "select body from note where tenant >= $1::text"
    seen = []
    for _, n in c.turns(3):
        c.begin(n)
        c.query(n, "select set_config('app.tenant', $1::text, true)", f"t{n}")
        seen.append(c.query(n, notes, "t"))
        c.commit(n)
        seen.append(c.query(n, notes, "t"))
    return seen


@case
def temporary_table(c: Clients):
    seen = []
    for n in range(COUNT):
        c.simple(n, "create temp table mine (a int)")
        c.query(n, "insert into mine values ($1::int)", n)
        seen += c.others(n)
        seen.append(c.query(n, "select a from mine where a >= $1::int", 0))
        # Nobody else sees it.
        seen.append(c.attempt((n + 1) % COUNT, "select a, $1::int from mine", 0))
        c.simple(n, "drop table mine")
    return seen


@case
def advisory_lock(c: Clients):
    seen = []
    for n in range(COUNT):
        c.query(n, "select pg_advisory_lock($1::int)::text", 7)
        seen += c.others(n)
        seen.append(c.query((n + 1) % COUNT, "select pg_try_advisory_lock($1::int)::int", 7))
        seen.append(c.query(n, "select pg_advisory_unlock($1::int)::int", 7))
    return seen


@case
def sql_prepare(c: Clients):
    for n in range(COUNT):
        c.simple(n, f"prepare times (int) as select $1 * {n + 2}")
    seen = [c.simple(n, f"execute times({turn + 1})") for turn, n in c.turns(3)]
    for n in range(COUNT):
        c.simple(n, "deallocate times")
    return seen + [c.attempt(n, "execute times(1)", op="simple") for n in range(COUNT)]


@case
def discarded(c: Clients):
    text = "select $1::int + 3"
    for n in range(COUNT):
        c.simple(n, f"set work_mem = '{10 + n}MB'")
    seen = [c.query(n, text, n) for _, n in c.turns(2)]
    c.simple(0, "discard all")
    c.simple(1, "deallocate all")
    # These two lost their statements, which some drivers notice; the others must not have.
    seen += [c.attempt(n, text, n) for n in range(COUNT)]
    return seen + [c.simple(n, "show work_mem") for n in range(COUNT)]


@case
def given_back(c: Clients):
    # What drivers' own pools send when a connection comes back.
    text = "select pg_advisory_unlock_all()::text; close all; unlisten *; reset all"
    seen = []
    for turn, n in c.turns(3):
        c.simple(n, f"set work_mem = '{10 + n}MB'")
        seen.append(c.query(n, SETTINGS, turn))
        c.simple(n, text)
        seen.append(c.query(n, SETTINGS, turn))
    return seen


@case
def declared_cursor(c: Clients):
    seen = []
    for first, second in ((0, 1), (2, 3)):
        for n in (first, second):
            c.begin(n)
            c.simple(n, f"declare numbers_cursor cursor for select g * {n + 1} from generate_series(1, 6) g")
        for _ in range(3):
            for n in (first, second):
                seen.append(c.simple(n, "fetch 2 from numbers_cursor"))
        c.commit(first)
        c.rollback(second)
    return seen


@case
def held_cursor(c: Clients):
    seen = []
    for n in range(COUNT):
        c.simple(n, f"declare kept cursor with hold for select g * {n + 1} from generate_series(1, 4) g")
        seen.append(c.simple(n, "fetch 2 from kept"))
        seen += c.others(n)
        seen.append(c.simple(n, "fetch 2 from kept"))
        c.simple(n, "close kept")
    return seen


@case
@needs("cursor")
def cursor(c: Clients):
    # The driver's own way to read a large result in parts.
    seen = []
    for first, second in ((0, 1), (2, 3)):
        for n in (first, second):
            c.begin(n)
            c.call("cursor", n, sql=f"select g * {n + 1} from generate_series(1, 10) g", size=4)
        for _ in range(3):
            for n in (first, second):
                seen.append(c.call("fetch", n))
        c.commit(first)
        c.commit(second)
    return seen


@case
def sequence(c: Clients):
    seen = []
    for _, n in c.turns(2):
        c.begin(n)
        mine = c.query(n, "select nextval('numbers'), $1::int", n)[0][0]
        seen.append(mine)
        seen.append(c.query(n, "select currval('numbers'), lastval(), $1::int", n))
        c.commit(n)
    return seen


@case
def sequence_later(c: Clients):
    # A pooler may have lost a client's number (55000), but never has another client's.
    mine = {}
    seen = []
    for turn, n in c.turns(4):
        if turn % 2 == 0:
            mine[n] = c.query(n, "select nextval('numbers'), $1::int", 0)[0][0]
        else:
            got = c.attempt(n, "select currval('numbers'), $1::int", 0)
            seen.append("own or none" if got in ("55000", [[mine[n], "0"]]) else f"another's: {got}, not {mine[n]}")
    return seen


@case
@needs("copy")
def copy(c: Clients):
    seen = []
    for turn, n in c.turns(2):
        c.call("copy_in", n, sql="copy copied from stdin", data=f"{n}\tfirst {turn}\n{n}\tsecond {turn}\n")
        seen.append(c.call("copy_out", n, sql=f"copy (select * from copied where client = {n} order by 2) to stdout"))
    return seen


@case
@needs("copy_failed")
def copy_failed(c: Clients):
    seen = []
    for _, n in c.turns(2):
        try:
            c.call("copy_in", n, sql="copy copied from stdin", data="no number\tword\n")
        except Failed as failure:
            seen.append("22P02" if "22P02" in str(failure) else str(failure))
        seen.append(c.query(n, "select $1::int + 7", n))
    return seen


@case
@needs("batch")
def batch(c: Clients):
    seen = []
    for turn, n in c.turns(3):
        seen.append(c.call("batch", n, statements=[
            ["select $1::int + 1", [n]], ["select $1::text", [f"turn {turn}"]], ["select $1::int + 1", [turn]],
        ]))
    return seen


@case
@needs("batch")
def batch_failed(c: Clients):
    seen = []
    for _, n in c.turns(3):
        try:
            seen.append(c.call("batch", n, statements=[
                ["insert into written values ($1::int, 100)", [n]], ["select 10 / $1::int", [0]],
                ["select $1::int + 1", [n]],
            ]))
        except Failed as failure:
            seen.append("22012" if "22012" in str(failure) else str(failure))
        seen.append(c.query(n, "select $1::int + 1", n))
    return [seen, c.query(0, "select count(*) from written where step = $1::int", 100)]


@case
@needs("listen")
def notify(c: Clients):
    seen = []
    for n in range(2):
        c.call("listen", n, channel="news")
        c.query(n + 1, "select pg_notify('news', $1::text)::text", f"for {n}")
        seen.append(c.call("notification", n))
        seen += c.others(n)
        c.query(n + 2, "select pg_notify('news', $1::text)::text", f"again for {n}")
        seen.append(c.call("notification", n))
        c.call("unlisten", n, channel="news")
    return seen


@case
@needs("cancel")
def cancel(c: Clients):
    seen = []
    for n in range(COUNT):
        c.call("start", n, sql="select pg_sleep(20)::text")
        seen += c.others(n)
        c.call("cancel", n)
        try:
            seen.append(c.call("wait", n))
        except Failed as failure:
            seen.append("57014" if "57014" in str(failure) else str(failure))
        seen.append(c.query(n, "select $1::int", n))
    return seen


@case
def timed_out(c: Clients):
    seen = []
    for n in range(COUNT):
        c.simple(n, "set statement_timeout = '100ms'")
        seen.append(c.attempt(n, "select pg_sleep($1::int)::text", 20))
        c.simple(n, "reset statement_timeout")
        seen.append(c.query(n, "select $1::int", n))
    return seen


@case
def large(c: Clients):
    text = "0123456789abcdef" * 65536
    return [
        c.query(n, "select length($1::text), md5(repeat($2::text, 3))", text, f"{n}") for _, n in c.turns(2)
    ] + [len(c.query(n, "select repeat($1::text, 131072)", "eight ch")[0][0]) for _, n in c.turns(2)]


@case
def types(c: Clients):
    return [
        c.query(
            n,
            "select $1::text::int[], $2::text::jsonb, $3::text::numeric, $4::text::timestamptz, $5::text::date,"
            " $6::text::uuid, null::int, $7::text::bigint, $8::text::float8",
            f"{{1,2,{n}}}", f'{{"client": {n}}}', f"12345678901234567890.{n}", f"2026-11-26 12:00:0{n}+00",
            "2024-02-29", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "9007199254740991", "0.25",
        )
        for _, n in c.turns(2)
    ]


@case
def left(c: Clients):
    c.begin(0)
    c.query(0, "insert into written values ($1::int, 200)", 0)
    c.drop(0)
    seen = [c.query(n, "select count(*) from written where step = $1::int", 200) for n in (1, 2, 3)]
    c.begin(1)
    c.query(1, "insert into written values ($1::int, 200)", 1)
    c.attempt(1, "select 10 / $1::int", 0)
    c.drop(1)
    c.open(0)
    c.open(1)
    return seen + [c.query(n, "select count(*) from written where step = $1::int", 200) for _, n in c.turns(2)]


@case
@needs("objects")
def objects(c: Clients):
    # What an object-relational mapper does: it creates, reads, changes and deletes accounts.
    return [c.call("objects", n, key=100 + 10 * turn + n) for turn, n in c.turns(3)]


@case
@needs("nested")
def nested(c: Clients):
    # A transaction in a transaction by the driver's own means, of which the inner one fails.
    return [c.call("nested", n, key=200 + 10 * turn + n) for turn, n in c.turns(2)]
