import type { Live, LiveBlocker, LiveWaiter, WaitCause } from "../document";
import { clientsWait, count, duration } from "../format";
import { causeName, poolName, windowText } from "../names";
import { Nothing, Section, Unknown } from "../section";
import { More } from "../more";
import { Sql } from "../sql";

/** Why clients wait: causes with those that wait for them now, and what they have cost. */
export function Waits({ live }: { live: Live }) {
  const causes = live.waits;
  return (
    <Section title="Why clients wait" note={causes && `time waited, ${windowText(live)}`}>
      <Causes causes={causes} live={live} />
      {live.waiters && live.waiters.length > 0 && <Waiters waiters={live.waiters} />}
      {live.blockers && live.blockers.length > 0 && <Blockers blockers={live.blockers} />}
    </Section>
  );
}

function Causes({ causes, live }: { causes: WaitCause[] | undefined; live: Live }) {
  if (!causes) return <Unattributed live={live} />;
  const known = causes.filter((cause) => cause.total > 0 || cause.waiting > 0);
  if (known.length === 0) return <Nothing>No client has waited, {windowText(live)}.</Nothing>;
  const longest = Math.max(...known.map((cause) => cause.totalMs), 1);
  const ordered = known.sort((a, b) => b.waiting - a.waiting || b.totalMs - a.totalMs);
  return (
    <ul class="causes">
      {ordered.map((cause) => (
        <li key={cause.cause} class={cause.waiting > 0 ? "current" : undefined}>
          <p class="head">
            <strong>{causeName(cause.cause)}</strong>
            <span>{duration(cause.totalMs)} in {count(cause.total)}</span>
          </p>
          <div class="bar" aria-hidden="true"><i class="amber" style={{ width: `${(100 * cause.totalMs) / longest}%` }} /></div>
          {cause.waiting > 0 && <p class="now">{clientsWait(cause.waiting)} for this now.</p>}
          {cause.hint && <p class="hint">{cause.hint}</p>}
        </li>
      ))}
    </ul>
  );
}

/** Waiters shown; how many there are in all, the causes say. */
const WAITERS_MAX = 5;

/** Who has waited longest. */
function Waiters({ waiters }: { waiters: LiveWaiter[] }) {
  return (
    <>
      <h3>Who waits longest</h3>
      <ul class="causes" data-testid="waiters">
        {waiters.slice(0, WAITERS_MAX).map((waiter) => (
          <li key={waiter.client} class="current">
            <p class="head">
              <strong>
                {[poolName(waiter), waiter.applicationName].filter(Boolean).join(" ")}, client {waiter.client}
                {" "}
                <More of={`client ${waiter.client}`} chosen={{ kind: "client", client: waiter.client }} />
              </strong>
              <span>{duration(waiter.waitedMs)}</span>
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Blockers shown; the rest is counted. */
const BLOCKERS_MAX = 3;

/** Who holds the locks. */
function Blockers({ blockers }: { blockers: LiveBlocker[] }) {
  const more = blockers.length - BLOCKERS_MAX;
  return (
    <>
      <h3>Who holds the locks</h3>
      <ul class="causes" data-testid="blockers">
        {blockers.slice(0, BLOCKERS_MAX).map((blocker) => (
          <li key={`${blocker.server} ${blocker.serverPid}`} class="current">
            <p class="head">
              <strong>{blockerName(blocker)}</strong>
              <span>{blocker.lockWaiters === 1 ? "1 session waits" : `${count(blocker.lockWaiters)} sessions wait`}</span>
            </p>
            <p class="now">{blockerState(blocker)}</p>
            {blocker.lastText && <Sql text={blocker.lastText} />}
          </li>
        ))}
        {more > 0 && <li class="muted">and {more} more</li>}
      </ul>
    </>
  );
}

function blockerName({ kind, client, database, user, applicationName }: LiveBlocker): string {
  const name = [database && `${database}/${user}`, applicationName].filter(Boolean).join(" ");
  switch (kind) {
    case "client":
      return `${name}, client ${client}`;
    case "clients":
      return `Clients of ${name}, each for a moment`;
    case "server":
      return `A free server of ${name}, on which a client left them`;
    case "elsewhere":
      return `${name || "A process"}, not through pgweir`;
    case "prepared":
      return "A prepared transaction: see pg_prepared_xacts";
  }
}

function blockerState({ state, sinceMs, server, serverPid }: LiveBlocker): string {
  const since = state && sinceMs !== null ? ` for ${duration(sinceMs)}` : "";
  const process = serverPid === null ? server : `process ${serverPid} of ${server}`;
  return [`${state}${since}`, process].filter(Boolean).join(", ");
}

/** Without causes, the pools that are waited for are known at least. */
function Unattributed({ live }: { live: Live }) {
  const queued = live.pools.filter((pool) => pool.waiting > 0).sort((a, b) => b.waiting - a.waiting);
  return (
    <>
      {queued.length > 0 && (
        <ul class="causes">
          {queued.map((pool) => (
            <li key={`${pool.database}/${pool.user}`} class="current">
              <p class="head">
                <strong>{pool.database}/{pool.user}</strong>
                <span>{clientsWait(pool.waiting)}</span>
              </p>
              <p class="hint">
                {pool.loginFailing
                  ? "Logins to PostgreSQL fail."
                  : pool.limit !== null && pool.active >= pool.limit
                  ? `All ${count(pool.limit)} servers of the pool are held by clients.`
                  : "Servers are being opened."}
              </p>
            </li>
          ))}
        </ul>
      )}
      <Unknown what="the causes of waits" />
    </>
  );
}
