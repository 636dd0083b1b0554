import type { Live, LivePostgres, SightWord } from "../document";
import { count, plural } from "../format";
import { Nothing, Section, Unknown } from "../section";
import { matches } from "../store";

/** Wait events shown of each server. */
const EVENTS_MAX = 6;

/** What PostgreSQL itself sees: sessions against max_connections, and what they wait for. */
export function Sessions({ live }: { live: Live }) {
  const all = live.postgres;
  const fitting = all?.filter((one) => matches(one.server));
  return (
    <Section title="PostgreSQL’s sessions" note={all && "against max_connections"}>
      {!fitting ? (
        <Unknown what="what PostgreSQL sees" />
      ) : fitting.length === 0 ? (
        <Nothing>{all?.length ? "No server fits the filter." : "No PostgreSQL is known yet."}</Nothing>
      ) : (
        fitting.map((one) => <Server key={one.server} of={one} />)
      )}
    </Section>
  );
}

/** Why there is less to see than there could be, and what helps. */
const SIGHTS: Record<SightWord, string | undefined> = {
  full: undefined,
  reduced: "What other users’ sessions do is hidden from the probe: GRANT pg_monitor to its user, or name another as probe_user.",
  away: "It has not answered the probe yet, or does not any more.",
  no_user: "There is nobody to ask it as: name a user with a password as probe_user.",
  off: "It is not asked: probe_interval is 0.",
};

function Server({ of }: { of: LivePostgres }) {
  const { maxConnections, reserved = 0, ours = 0, elsewhere = 0 } = of;
  const why = SIGHTS[of.sight];
  return (
    <div class="server">
      <p class="head">
        <strong>{of.server}</strong>
        {maxConnections !== undefined && (
          <span>
            {count(free(maxConnections, reserved, ours, elsewhere))} of {count(maxConnections)} free
          </span>
        )}
      </p>
      {maxConnections !== undefined && (
        <Shares of={{ ours, elsewhere, reserved, free: free(maxConnections, reserved, ours, elsewhere) }} />
      )}
      <Work of={of} />
      {why && <Nothing>{why}</Nothing>}
    </div>
  );
}

function free(maxConnections: number, reserved: number, ours: number, elsewhere: number): number {
  return Math.max(0, maxConnections - reserved - ours - elsewhere);
}

function Shares({ of }: { of: { ours: number; elsewhere: number; reserved: number; free: number } }) {
  const parts = [
    { name: "ours", many: of.ours, class: "blue" },
    { name: "from elsewhere", many: of.elsewhere, class: "grey" },
    { name: "reserved", many: of.reserved, class: "hatched" },
    { name: "free", many: of.free, class: "none" },
  ];
  return (
    <>
      <div class="stack" aria-hidden="true">
        {parts.map((part) => (
          <i key={part.name} class={part.class} style={{ flexGrow: part.many }} />
        ))}
      </div>
      <p class="counts">
        {parts.map((part) => (
          <span key={part.name}>
            <i class={`swatch ${part.class}`} />
            <b>{count(part.many)}</b> {part.name}
          </span>
        ))}
      </p>
    </>
  );
}

/** Sessions that work now, and what they waited for in the last minute, against the cores there are. */
function Work({ of }: { of: LivePostgres }) {
  if (of.activeSessions == null) return null;
  const events = [...(of.waitEvents ?? [])].sort((a, b) => b.sessions - a.sessions).slice(0, EVENTS_MAX);
  const scale = Math.max(of.cores ?? 0, ...events.map((event) => event.sessions), 1);
  return (
    <>
      <p class="work">
        <b>{count(of.activeSessions)}</b> {of.activeSessions === 1 ? "session works" : "sessions work"} now
        {of.cores != null && <> on {plural(of.cores, "core")}</>}
        {events.length > 0 && "; on average in the last minute:"}
      </p>
      <ul class="events-of">
        {events.map((event) => (
          <li key={event.event}>
            <span>{event.event}</span>
            <span class="bar" aria-hidden="true"><i class="violet" style={{ width: `${(100 * event.sessions) / scale}%` }} /></span>
            <b>{event.sessions.toFixed(1)}</b>
          </li>
        ))}
      </ul>
    </>
  );
}
