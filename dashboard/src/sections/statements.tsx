import type { Live, TopStatement } from "../document";
import { bytes, count, duration } from "../format";
import { Nothing, Section, Unknown } from "../section";
import { More } from "../more";
import { Sql, Who } from "../sql";
import { matches } from "../store";
import { Table, type Column } from "../table";

/** The statements that cost most. */
export function Statements({ live }: { live: Live }) {
  const all = live.statements;
  const fitting = all?.filter((one) => matches(one.database, one.user, one.text, one.fingerprint));
  const whole = all?.reduce((sum, one) => sum + one.totalMs, 0) ?? 0;
  return (
    <Section title="Top statements" note={all && "since the start; choose a column to sort"}>
      {!fitting ? (
        <Unknown what="statements" />
      ) : fitting.length === 0 ? (
        <Nothing>{all?.length ? "No statement fits the filter." : "No statement has run yet."}</Nothing>
      ) : (
        <Table
          caption="Statements"
          columns={columns(whole)}
          rows={fitting}
          rowKey={(one) => `${one.database}/${one.user}/${one.fingerprint}`}
          sortedBy="Total"
          shown={10}
        />
      )}
    </Section>
  );
}

export function columns(whole: number): Column<TopStatement>[] {
  return [
    {
      name: "Statement",
      wide: true,
      show: (one) => (
        <>
          <Sql text={one.text} />
          <small class="block">
            <Who database={one.database} user={one.user} />
            <More
              of={`statement ${one.fingerprint}`}
              chosen={{ kind: "statement", database: one.database, user: one.user, fingerprint: one.fingerprint }}
            />
          </small>
        </>
      ),
    },
    {
      name: "Total",
      numeric: true,
      sort: (one) => one.totalMs,
      show: (one) => (
        <span class="share">
          {duration(one.totalMs)}
          <span class="bar" aria-hidden="true">
            <i class="blue" style={{ width: `${whole > 0 ? (100 * one.totalMs) / whole : 0}%` }} />
          </span>
        </span>
      ),
    },
    { name: "Calls", numeric: true, sort: (one) => one.calls, show: (one) => count(one.calls) },
    { name: "Mean", numeric: true, sort: (one) => one.meanMs, show: (one) => duration(one.meanMs) },
    { name: "p99", numeric: true, sort: (one) => one.p99Ms ?? 0, show: (one) => duration(one.p99Ms) },
    { name: "Max", numeric: true, sort: (one) => one.maxMs, show: (one) => duration(one.maxMs) },
    { name: "Rows", numeric: true, sort: (one) => one.rows, show: (one) => count(one.rows) },
    { name: "Sent", numeric: true, sort: (one) => one.bytes, show: (one) => bytes(one.bytes) },
    {
      name: "Errors",
      numeric: true,
      sort: (one) => one.errors,
      show: (one) => (one.errors > 0 ? <b class="red">{count(one.errors)}</b> : "0"),
    },
  ];
}
