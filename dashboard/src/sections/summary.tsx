import type { Live } from "../document";
import { ABSENT, count, duration, rate } from "../format";
import { causeName, poolName, windowText } from "../names";

/** The state of things in a sentence, and six figures. */
export function Summary({ live }: { live: Live }) {
  const pools = live.pools;
  const sum = (of: (pool: Live["pools"][number]) => number) =>
    pools.reduce((total, pool) => total + of(pool), 0);
  if (pools.length === 0) return <FirstSteps live={live} />;
  const waiting = sum((pool) => pool.waiting);
  const oldest = Math.max(...pools.map((pool) => pool.oldestWaitMs ?? 0), 0);
  const busy = sum((pool) => pool.active);
  const open = busy + sum((pool) => pool.idle + pool.opening);
  const limit = pools.every((pool) => pool.limit != null)
    ? sum((pool) => pool.limit ?? 0)
    : undefined;
  const window = windowText(live);
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
      value: rate(live.sum.transactionsPerSecond),
      note: `per second, ${window}`,
    },
    { name: "Wait, p99", ...parts(live.sum.waitMs.p99, window) },
    { name: "Query, p99", ...parts(live.sum.queryMs.p99, window) },
    { name: "Clients", value: count(live.clients), note: `of ${count(live.clientsLimit)}` },
  ];
  return (
    <section class="summary" aria-label="Summary">
      <p class="verdict" data-testid="verdict">{live.headline?.text}</p>
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

/** What to do where nobody has come yet. */
function FirstSteps({ live }: { live: Live }) {
  return (
    <section class="summary" aria-label="Summary">
      <p class="verdict" data-testid="verdict">{live.headline?.text}</p>
      {live.connect && (
        <p class="reason">
          Connect through pgweir, and its pool appears here: <code data-testid="connect">{live.connect}</code>
        </p>
      )}
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
function parts(ms: number | null | undefined, window: string): { value: string; note: string } {
  if (ms == null) return { value: ABSENT, note: `nothing ended, ${window}` };
  const text = duration(ms);
  const at = text.lastIndexOf(" ");
  return { value: text.slice(0, at), note: `${text.slice(at + 1)}, ${window}` };
}
