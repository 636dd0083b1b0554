import type { Live, NPlusOne } from "../document";
import { count, moment } from "../format";
import { Nothing, Section, Unknown } from "../section";
import { More } from "../more";
import { Sql, Who } from "../sql";
import { matches } from "../store";
import { Table, type Column } from "../table";

export const COLUMNS: Column<NPlusOne>[] = [
  { name: "Last", show: (one) => <time dateTime={one.at}>{moment(one.at)}</time> },
  { name: "Times", numeric: true, sort: (one) => one.times, show: (one) => <b>{count(one.times)}×</b> },
  { name: "Found", numeric: true, sort: (one) => one.found, show: (one) => count(one.found) },
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
          {Object.entries(one.tags).map(([name, value]) => (
            <span key={name} class="pair-tag">{name}={value}</span>
          ))}
        </small>
      </>
    ),
  },
];

/** The same statement over and over by one client: a loop where a join should be. */
export function NPlusOnes({ live }: { live: Live }) {
  const all = live.nPlusOne && grouped(live.nPlusOne);
  const fitting = all?.filter((one) =>
    matches(one.database, one.user, one.applicationName, one.text, one.fingerprint, JSON.stringify(one.tags)),
  );
  return (
    <Section title="Queries in loops (N+1)" note={all && "those kept, newest first"}>
      {!fitting ? (
        <Unknown what="queries in loops" />
      ) : fitting.length === 0 ? (
        <Nothing>{all?.length ? "None fits the filter." : "No client has run a statement in a loop."}</Nothing>
      ) : (
        <Table
          caption="Queries in loops"
          columns={COLUMNS}
          rows={fitting}
          rowKey={(one, index) => `${one.at} ${one.fingerprint} ${index}`}
        />
      )}
    </Section>
  );
}

/** The newest of each loop of an application, however many of its clients went through it, with the most times, and how often it was found. */
function grouped(all: NPlusOne[]): NPlusOne[] {
  const loops = new Map<string, NPlusOne>();
  for (const one of all) {
    const key = JSON.stringify([one.database, one.user, one.applicationName, one.fingerprint]);
    const known = loops.get(key);
    if (known) {
      known.found += one.found;
      known.times = Math.max(known.times, one.times);
    } else {
      loops.set(key, { ...one });
    }
  }
  return [...loops.values()];
}
