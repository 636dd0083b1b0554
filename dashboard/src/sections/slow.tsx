import type { Live, SlowQuery } from "../document";
import { count, duration, moment } from "../format";
import { Nothing, Section, Unknown } from "../section";
import { More } from "../more";
import { Sql, Who } from "../sql";
import { matches } from "../store";
import { Table, type Column } from "../table";

export const COLUMNS: Column<SlowQuery>[] = [
  {
    name: "Last",
    show: (one) => <time dateTime={one.at}>{moment(one.at)}</time>,
  },
  { name: "Times", numeric: true, sort: (one) => one.times, show: (one) => count(one.times) },
  {
    name: "Worst",
    numeric: true,
    sort: (one) => one.worstMs,
    show: (one) => <b class={one.level === "very slow" ? "red" : "amber"}>{duration(one.worstMs)}</b>,
  },
  { name: "Took", numeric: true, sort: (one) => one.serverMs, show: (one) => duration(one.serverMs) },
  { name: "Waited", numeric: true, sort: (one) => one.waitMs, show: (one) => duration(one.waitMs) },
  {
    name: "Statement",
    wide: true,
    show: (one) => (
      <>
        <Sql text={one.text} />
        <small class="block">
          <Who {...one} />
          <More
            of={`statement ${one.fingerprint}`}
            chosen={{ kind: "statement", database: one.database, user: one.user, fingerprint: one.fingerprint }}
          />
          {one.level === "very slow" && <span class="tag error">very slow</span>}
        </small>
      </>
    ),
  },
];

/** Slow queries of each application, with the latest and the worst of each. */
export function Slow({ live }: { live: Live }) {
  const all = live.slow;
  const fitting = all?.filter((one) =>
    matches(one.database, one.user, one.applicationName, one.client, one.text, one.fingerprint, one.level),
  );
  return (
    <Section title="Slow queries" note={all && "those kept, newest first; took and waited are the latest's"}>
      {!fitting ? (
        <Unknown what="slow queries" />
      ) : fitting.length === 0 ? (
        <Nothing>{all?.length ? "No slow query fits the filter." : "No query was slow since pgweir started."}</Nothing>
      ) : (
        <Table
          caption="Slow queries"
          columns={COLUMNS}
          rows={fitting}
          rowKey={(one) => `${one.database} ${one.user} ${one.applicationName} ${one.fingerprint}`}
        />
      )}
    </Section>
  );
}
