import { causeName, poolName, type Live } from "../document";
import { ABSENT, clientsWait, count, duration, plural, rate } from "../format";

/** The state of things in a sentence, and six figures. */
export function Summary({ live }: { live: Live }) {
  const pools = live.pools;
  const sum = (of: (pool: Live["pools"][number]) => number) =>
    pools.reduce((total, pool) => total + of(pool), 0);
  const waiting = sum((pool) => pool.waiting);
  const oldest = Math.max(...pools.map((pool) => pool.oldestWaitMs ?? 0), 0);
  const busy = sum((pool) => pool.active);
  const open = busy + sum((pool) => pool.idle + pool.opening);
  const limit = pools.every((pool) => pool.limit != null)
    ? sum((pool) => pool.limit ?? 0)
    : undefined;
  const last = <T,>(column: T[]): T | undefined => column[column.length - 1];
  const figures = [
    {
      name: "Waiting",
      value: count(waiting),
      note: waiting > 0 ? `the first for ${duration(oldest)}` : "nobody",
      tone: waiting > 5 ? "warning" : undefined,
    },
    {
      name: "Servers in use",
      value: count(busy),
      note: limit === undefined ? `of ${count(open)} open` : `of ${count(limit)}`,
    },
    {
      name: "Transactions",
      value: rate(sum((pool) => pool.transactionsPerSecond)),
      note: "per second",
    },
    { name: "Wait, p99", ...parts(last(live.history.waitP99Ms)) },
    { name: "Query, p99", ...parts(last(live.history.queryP99Ms)) },
    { name: "Clients", value: count(live.clients), note: `of ${count(live.clientsLimit)}` },
  ];
  return (
    <section class="summary" aria-label="Summary">
      <p class="verdict" data-testid="verdict">{verdict(live, waiting, oldest)}</p>
      {waiting > 0 && <Reason live={live} />}
      <dl class="figures">
        {figures.map((figure) => (
          <div key={figure.name} class={figure.tone}>
            <dt>{figure.name}</dt>
            <dd>
              <b>{figure.value}</b> <span>{figure.note}</span>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Why most of those wait who wait, as far as it is known. */
function Reason({ live }: { live: Live }) {
  const [cause] = [...(live.waits ?? [])].sort((a, b) => b.waiting - a.waiting);
  if (cause && cause.waiting > 0) {
    return (
      <p class="reason">
        <b>{causeName(cause.cause)}.</b> {cause.who} {cause.hint}
      </p>
    );
  }
  const [queued] = [...live.pools].sort((a, b) => b.waiting - a.waiting);
  if (!queued || queued.limit === null || queued.active < queued.limit) return null;
  return (
    <p class="reason">
      All {count(queued.limit)} servers of <b>{poolName(queued)}</b> are held by clients.
    </p>
  );
}

/** A duration with its unit apart. */
function parts(ms: number | null | undefined): { value: string; note: string } {
  if (ms == null) return { value: ABSENT, note: "nothing ran" };
  const text = duration(ms);
  const at = text.lastIndexOf(" ");
  return { value: text.slice(0, at), note: `${text.slice(at + 1)}, last 5 s` };
}

/** Who waits for locks, although nobody waits for a server. */
function lockTrouble(live: Live): string | undefined {
  const [most] = [...(live.blockers ?? [])].sort((a, b) => b.lockWaiters - a.lockWaiters);
  if (!most || most.lockWaiters === 0) return undefined;
  return most.lockWaiters === 1 ? "1 session waits for a lock" : `${count(most.lockWaiters)} sessions wait for the locks of one`;
}

/** Who has probably forgotten a server. */
function leakTrouble(live: Live): string | undefined {
  const leaks = (live.holders ?? []).filter((holder) => holder.leak).length;
  if (leaks === 0) return undefined;
  return leaks === 1 ? "1 client has probably leaked a server" : `${count(leaks)} clients have probably leaked servers`;
}

function verdict(live: Live, waiting: number, oldest: number): string {
  const pools = live.pools;
  if (pools.length === 0) return "No client has come yet, so there is no pool.";
  const failing = pools.filter((pool) => pool.loginFailing);
  const [first] = failing;
  if (first && failing.length === 1) return `${poolName(first)} cannot log in to PostgreSQL.`;
  if (first) return `${count(failing.length)} of ${plural(pools.length, "pool")} cannot log in to PostgreSQL.`;
  if (waiting > 0) {
    const queued = pools.filter((pool) => pool.waiting > 0).length;
    const where = pools.length === 1 ? "" : ` in ${count(queued)} of ${plural(pools.length, "pool")}`;
    return `${clientsWait(waiting)}${where}, the first for ${duration(oldest)}.`;
  }
  const troubles = [lockTrouble(live), leakTrouble(live)].filter(Boolean);
  if (troubles.length > 0) return `${troubles.join("; ")}.`;
  const working = pools.some((pool) => pool.active > 0 || pool.transactionsPerSecond > 0);
  const serve = pools.length === 1 ? "1 pool serves" : `${count(pools.length)} pools serve`;
  if (!working) return `All is quiet. ${plural(pools.length, "pool")}, nobody waits.`;
  return `All is well. ${serve} ${plural(live.clients, "client")}; nobody waits.`;
}
