// What this page has seen of pools, statements and clients since it was opened: the pooler keeps no history of
// each of them.

import type { Live } from "./document";

/** Seconds that are remembered. */
const SPAN_MAX = 15 * 60;
/** Clients that are remembered, those that were seen last. */
const CLIENTS_MAX = 500;

export interface PoolTrail {
  seconds: number[];
  waiting: number[];
  active: number[];
  transactionsPerSecond: number[];
}

export interface StatementTrail {
  seconds: number[];
  calls: number[];
  totalMs: number[];
}

/** A client was in this state from here on. */
export interface Step {
  at: string;
  state: string;
}

const pools = new Map<string, PoolTrail>();
const statements = new Map<string, StatementTrail>();
const clients = new Map<string, Step[]>();

export function poolTrail(database: string, user: string): PoolTrail | undefined {
  return pools.get(JSON.stringify([database, user]));
}

export function statementTrail(database: string, user: string, fingerprint: string): StatementTrail | undefined {
  return statements.get(JSON.stringify([database, user, fingerprint]));
}

export function clientTrail(client: string): Step[] {
  return clients.get(client) ?? [];
}

/** Takes note of a document. */
export function remember(live: Live): void {
  const second = Math.round(Date.parse(live.timestamp) / 1000);
  for (const pool of live.pools) {
    const empty = () => ({ seconds: [], waiting: [], active: [], transactionsPerSecond: [] });
    const trail = known<PoolTrail>(pools, JSON.stringify([pool.database, pool.user]), empty);
    add(trail, second, { waiting: pool.waiting, active: pool.active, transactionsPerSecond: pool.transactionsPerSecond });
  }
  for (const one of live.statements ?? []) {
    const key = JSON.stringify([one.database, one.user, one.fingerprint]);
    const trail = known<StatementTrail>(statements, key, () => ({ seconds: [], calls: [], totalMs: [] }));
    add(trail, second, { calls: one.calls, totalMs: one.totalMs });
  }
  for (const holder of live.holders ?? []) step(holder.client, live.timestamp, holder.state);
  for (const waiter of live.waiters ?? []) step(waiter.client, live.timestamp, "waiting for a server");
  while (clients.size > CLIENTS_MAX) {
    const [oldest] = clients.keys();
    if (oldest === undefined) break;
    clients.delete(oldest);
  }
}

function step(client: string, at: string, state: string): void {
  const steps = clients.get(client) ?? [];
  // The one that was seen last is the last to be forgotten.
  clients.delete(client);
  clients.set(client, steps);
  if (steps[steps.length - 1]?.state !== state) steps.push({ at, state });
  if (steps.length > 50) steps.shift();
}

function known<T>(all: Map<string, T>, key: string, make: () => T): T {
  const found = all.get(key);
  if (found) return found;
  const made = make();
  all.set(key, made);
  return made;
}

function add<T extends { seconds: number[] }>(
  trail: T,
  second: number,
  values: { [Name in Exclude<keyof T, "seconds">]: number },
): void {
  if (trail.seconds[trail.seconds.length - 1] === second) return;
  trail.seconds.push(second);
  for (const [name, value] of Object.entries(values)) {
    (trail as unknown as Record<string, number[]>)[name]?.push(value as number);
  }
  while (second - (trail.seconds[0] ?? second) > SPAN_MAX) {
    for (const column of Object.values(trail) as number[][]) column.shift();
  }
}

/** Growth per second of a column of counts, over the last five seconds at each moment. */
export function perSecond(seconds: number[], counts: number[]): (number | null)[] {
  let from = 0;
  return counts.map((value, index) => {
    const at = seconds[index] ?? 0;
    while (from < index && at - (seconds[from] ?? at) > 5) from += 1;
    const span = at - (seconds[from] ?? at);
    return span > 0 ? Math.max(0, value - (counts[from] ?? value)) / span : null;
  });
}
