//! Batches of messages, with what PostgreSQL answers to them.

use pgweir_e2e::Batch;

/// A batch, how many ReadyForQuery answer it, and what comes back.
pub(super) type Case = (&'static str, Batch, usize, &'static str);

/// What PostgreSQL answers to every kind of message.
pub(super) fn cases() -> Vec<Case> {
    let new = Batch::new;
    vec![
        (
            "a query",
            new().query("select 1 as a, null as b"),
            1,
            "T D(1,NULL) C(SELECT 1) ZI",
        ),
        ("an empty query", new().query(""), 1, "I ZI"),
        ("only a comment", new().query("-- nothing"), 1, "I ZI"),
        (
            "several statements",
            new().query("select 1; select 2 where false; select 3"),
            1,
            "T D(1) C(SELECT 1) T C(SELECT 0) T D(3) C(SELECT 1) ZI",
        ),
        (
            "an error among several statements",
            new().query("select 1; select 1/0; select 3"),
            1,
            "T D(1) C(SELECT 1) E(22012) ZI",
        ),
        ("a syntax error", new().query("selekt"), 1, "E(42601) ZI"),
        (
            "queries pipelined",
            new()
                .query("select 1")
                .query("select 1/0")
                .query("select 3"),
            3,
            "T D(1) C(SELECT 1) ZI E(22012) ZI T D(3) C(SELECT 1) ZI",
        ),
        (
            "a transaction pipelined",
            new().query("begin").query("select 1").query("commit"),
            3,
            "C(BEGIN) ZT T D(1) C(SELECT 1) ZT C(COMMIT) ZI",
        ),
        (
            "a failed transaction",
            new()
                .query("begin")
                .query("select 1/0")
                .query("select 1")
                .query("rollback"),
            4,
            "C(BEGIN) ZT E(22012) ZE E(25P02) ZE C(ROLLBACK) ZI",
        ),
        (
            "a commit that rolls back",
            new().query("begin; select 1/0").query("commit"),
            2,
            "C(BEGIN) E(22012) ZE C(ROLLBACK) ZI",
        ),
        (
            "an extended query",
            new().run("select $1::int + $2::int", &["2", "3"]).sync(),
            1,
            "1 2 D(5) C(SELECT 1) ZI",
        ),
        (
            "an empty extended query",
            new().run("", &[]).sync(),
            1,
            "1 2 I ZI",
        ),
        (
            "everything described",
            new()
                .parse("", "select $1::text as a")
                .describe_statement("")
                .bind("", "", &["x"])
                .describe_portal("")
                .execute("", 0)
                .sync(),
            1,
            "1 t T 2 T D(x) C(SELECT 1) ZI",
        ),
        (
            "a statement without rows described",
            new()
                .parse("", "set local work_mem = 100")
                .describe_statement("")
                .sync(),
            1,
            "1 t n ZI",
        ),
        (
            "extended queries pipelined in one batch",
            new()
                .run("select 1", &[])
                .run("select 2", &[])
                .run("select 3", &[])
                .sync(),
            1,
            "1 2 D(1) C(SELECT 1) 1 2 D(2) C(SELECT 1) 1 2 D(3) C(SELECT 1) ZI",
        ),
        (
            "batches pipelined",
            new()
                .run("select 1", &[])
                .sync()
                .run("select 1/0", &[])
                .sync()
                .run("select 3", &[])
                .sync(),
            3,
            "1 2 D(1) C(SELECT 1) ZI 1 E(22012) ZI 1 2 D(3) C(SELECT 1) ZI",
        ),
        (
            "an error skips to Sync",
            new()
                .run("select 1", &[])
                .run("select * from nowhere", &[])
                .run("select 3", &[])
                .close_statement("")
                .sync(),
            1,
            "1 2 D(1) C(SELECT 1) E(42P01) ZI",
        ),
        (
            "an error skips a simple query too",
            new()
                .parse("", "selekt")
                .query("select 1")
                .sync()
                .query("select 2"),
            2,
            "E(42601) ZI T D(2) C(SELECT 1) ZI",
        ),
        (
            "a simple query ends an open batch",
            new().run("select 1", &[]).query("select 2"),
            1,
            "1 2 D(1) C(SELECT 1) T D(2) C(SELECT 1) ZI",
        ),
        (
            "an unknown statement",
            new().bind("", "nobody", &[]).sync(),
            1,
            "E(26000) ZI",
        ),
        (
            "an unknown portal",
            new().execute("nobody", 0).sync(),
            1,
            "E(34000) ZI",
        ),
        (
            "a portal in parts",
            new()
                .parse("", "select generate_series(1, 5)")
                .bind("p", "", &[])
                .execute("p", 2)
                .execute("p", 2)
                .execute("p", 2)
                .close_portal("p")
                .sync(),
            1,
            "1 2 D(1) D(2) s D(3) D(4) s D(5) C(SELECT 1) 3 ZI",
        ),
        (
            "a portal over batches of a transaction",
            new()
                .query("begin")
                .parse("", "select generate_series(1, 3)")
                .bind("p", "", &[])
                .execute("p", 2)
                .sync()
                .execute("p", 2)
                .sync()
                .query("commit"),
            4,
            "C(BEGIN) ZT 1 2 D(1) D(2) s ZT D(3) C(SELECT 1) ZT C(COMMIT) ZI",
        ),
        (
            "a portal that has as many rows as were asked for",
            new()
                .parse("", "select generate_series(1, 2)")
                .bind("p", "", &[])
                .execute("p", 2)
                .execute("p", 2)
                .execute("p", 2)
                .sync(),
            1,
            "1 2 D(1) D(2) s C(SELECT 0) C(SELECT 0) ZI",
        ),
        (
            "two portals in turns",
            new()
                .parse("a", "select generate_series(1, 3)")
                .parse("b", "select generate_series(7, 9)")
                .bind("pa", "a", &[])
                .bind("pb", "b", &[])
                .execute("pa", 1)
                .execute("pb", 2)
                .execute("pa", 0)
                .execute("pb", 1)
                .close_portal("pb")
                .execute("pb", 1)
                .sync()
                .close_statement("a")
                .close_statement("b")
                .sync(),
            2,
            "1 1 2 2 D(1) s D(7) D(8) s D(2) D(3) C(SELECT 2) D(9) s 3 E(34000) ZI 3 3 ZI",
        ),
        (
            "a portal ends with its batch",
            new()
                .parse("", "select generate_series(1, 3)")
                .bind("p", "", &[])
                .execute("p", 1)
                .sync()
                .execute("p", 1)
                .sync(),
            2,
            "1 2 D(1) s ZI E(34000) ZI",
        ),
        (
            "a portal that fails behind its first rows",
            new()
                .parse("", "select 1 / (3 - generate_series(1, 4))")
                .bind("p", "", &[])
                .execute("p", 2)
                .execute("p", 2)
                .execute("p", 2)
                .sync(),
            1,
            "1 2 D(0) D(1) s E(22012) ZI",
        ),
        (
            "a portal described behind other executions",
            new()
                .run("select 1", &[])
                .run("select 2", &[])
                .parse("", "select 3 as c")
                .bind("", "", &[])
                .describe_portal("")
                .sync(),
            1,
            "1 2 D(1) C(SELECT 1) 1 2 D(2) C(SELECT 1) 1 2 T ZI",
        ),
        (
            "statements in one query that begin and end transactions",
            new()
                .query("select 1; begin; select 2; commit; begin; select 3")
                .query("rollback"),
            2,
            "T D(1) C(SELECT 1) C(BEGIN) T D(2) C(SELECT 1) C(COMMIT) C(BEGIN) T D(3) C(SELECT 1) \
             ZT C(ROLLBACK) ZI",
        ),
        (
            "several COPY in one query",
            new()
                .query(
                    "copy (select 'out') to stdout; copy t from stdin; copy t from stdin; select 5",
                )
                .copy_data("1\n")
                .copy_done()
                .copy_data("2\n")
                .copy_done(),
            1,
            "H d(out) c C(COPY 1) G C(COPY 1) G C(COPY 1) T D(5) C(SELECT 1) ZI",
        ),
        (
            "notices among rows, and a setting that changes amid them",
            new().query(
                "create or replace function tell(a int) returns int language plpgsql as \
                     'begin raise notice ''row %'', a; return a; end'; \
                     select tell(a), set_config('timezone', 'Asia/Tokyo', true) \
                     from generate_series(1, 2) a; drop function tell",
            ),
            1,
            "C(CREATE FUNCTION) T N(row 1) D(1,Asia/Tokyo) N(row 2) D(2,Asia/Tokyo) C(SELECT 2) \
             C(DROP FUNCTION) ZI",
        ),
        (
            "a cursor",
            new()
                .query("begin")
                .query("declare c cursor for select generate_series(1, 3)")
                .query("fetch 2 from c")
                .query("commit"),
            4,
            "C(BEGIN) ZT C(DECLARE CURSOR) ZT T D(1) D(2) C(FETCH 2) ZT C(COMMIT) ZI",
        ),
        (
            "a named statement, prepared, used, closed",
            new()
                .parse("s", "select $1::int * 2")
                .bind("", "s", &["21"])
                .execute("", 0)
                .sync()
                .bind("", "s", &["4"])
                .execute("", 0)
                .close_statement("s")
                .sync()
                .bind("", "s", &["4"])
                .sync(),
            3,
            "1 2 D(42) C(SELECT 1) ZI 2 D(8) C(SELECT 1) 3 ZI E(26000) ZI",
        ),
        ("a Sync alone", new().sync().sync(), 2, "ZI ZI"),
        ("a Flush alone", new().flush().sync(), 1, "ZI"),
        (
            "a notice",
            new().query("do $$ begin raise notice 'look'; end $$"),
            1,
            "N(look) C(DO) ZI",
        ),
        (
            "a reported setting",
            new()
                .query("set application_name = 'me'")
                .query("reset application_name"),
            2,
            "C(SET) S(application_name=me) ZI C(RESET) S(application_name=) ZI",
        ),
        (
            "a setting for a transaction",
            new()
                .query("begin")
                .query("set local timezone = 'Asia/Tokyo'")
                .query("commit"),
            3,
            "C(BEGIN) ZT C(SET) S(TimeZone=Asia/Tokyo) ZT C(COMMIT) S(TimeZone=UTC) ZI",
        ),
        (
            "COPY out",
            new().query("copy (values (1), (2)) to stdout"),
            1,
            "H d(1) d(2) c C(COPY 2) ZI",
        ),
        (
            "COPY out, extended",
            new().run("copy (values (1), (2)) to stdout", &[]).sync(),
            1,
            "1 2 H d(1) d(2) c C(COPY 2) ZI",
        ),
        (
            "COPY out that fails",
            new().query("copy (select 1 / (2 - generate_series(1, 2))) to stdout"),
            1,
            "H d(1) E(22012) ZI",
        ),
        (
            "COPY in",
            new()
                .query("copy t from stdin")
                .copy_data("1\n2\n")
                .copy_data("3\n")
                .copy_done(),
            1,
            "G C(COPY 3) ZI",
        ),
        (
            "COPY in with a statement behind it",
            new()
                .query("copy t from stdin; select 'next'")
                .copy_data("1\n")
                .copy_done(),
            1,
            "G C(COPY 1) T D(next) C(SELECT 1) ZI",
        ),
        (
            "COPY in that the client fails",
            new()
                .query("copy t from stdin")
                .copy_data("1\n")
                .copy_fail("no more"),
            1,
            "G E(57014) ZI",
        ),
        (
            "COPY in that PostgreSQL fails, data still coming",
            new()
                .query("copy t from stdin")
                .copy_data("x\n")
                .copy_data("1\n")
                .copy_done()
                .query("select 1"),
            2,
            "G E(22P02) ZI T D(1) C(SELECT 1) ZI",
        ),
        (
            "a Sync and a Flush inside COPY are ignored",
            new()
                .query("copy t from stdin")
                .sync()
                .copy_data("1\n")
                .flush()
                .copy_done(),
            1,
            "G C(COPY 1) ZI",
        ),
        (
            "COPY in, extended, with the Sync that libpq sends before the data",
            new()
                .run("copy t from stdin", &[])
                .sync()
                .copy_data("1\n")
                .copy_done()
                .sync(),
            1,
            "1 2 G C(COPY 1) ZI",
        ),
        (
            "COPY in, extended, that the client fails",
            new()
                .run("copy t from stdin", &[])
                .sync()
                .copy_data("1\n")
                .copy_fail("no")
                .sync(),
            1,
            "1 2 G E(57014) ZI",
        ),
        (
            "stray COPY messages outside of COPY",
            new()
                .copy_data("1\n")
                .copy_done()
                .copy_fail("x")
                .query("select 1"),
            1,
            "T D(1) C(SELECT 1) ZI",
        ),
        ("a function call", new().message(b'F', &int4pl()), 1, "V ZI"),
        (
            "a function call that fails",
            new().message(b'F', &[0; 10]),
            1,
            "E(42883) ZI",
        ),
        (
            "function calls between queries",
            new()
                .message(b'F', &int4pl())
                .query("select 1")
                .message(b'F', &[0; 10])
                .message(b'F', &int4pl())
                .run("select 2", &[])
                .sync(),
            5,
            "V ZI T D(1) C(SELECT 1) ZI E(42883) ZI V ZI 1 2 D(2) C(SELECT 1) ZI",
        ),
        (
            "function calls in a transaction that one of them fails",
            new()
                .query("begin")
                .message(b'F', &int4pl())
                .message(b'F', &[0; 10])
                .message(b'F', &int4pl())
                .query("rollback"),
            5,
            "C(BEGIN) ZT V ZT E(42883) ZE E(25P02) ZE C(ROLLBACK) ZI",
        ),
        (
            "a function call ends an open batch",
            new().run("select 1", &[]).message(b'F', &int4pl()),
            1,
            "1 2 D(1) C(SELECT 1) V ZI",
        ),
        (
            "a failed batch skips a function call",
            new().parse("", "selekt").message(b'F', &int4pl()).sync(),
            1,
            "E(42601) ZI",
        ),
    ]
}

/// A FunctionCall of int4pl, which has had the number 177 since the beginning, as text.
fn int4pl() -> Vec<u8> {
    let mut body = 177_u32.to_be_bytes().to_vec();
    body.extend([0, 0, 0, 2]);
    for digit in *b"23" {
        body.extend([0, 0, 0, 1, digit]);
    }
    body.extend([0, 0]);
    body
}
