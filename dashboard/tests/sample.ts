// A document with every section filled, as of a pooler on a bad day.

import type { Alarm, Headline, Live, LivePool, PoolColumn, Times } from "../src/document";

function times(p50: number, p99: number): Times {
  return { mean: p50 * 1.2, p50, p95: p99 * 0.7, p99 };
}

export function pool(changes: Partial<LivePool>): LivePool {
  return {
    database: "shop",
    user: "web",
    mode: "transaction",
    limit: 20,
    reserveLimit: 0,
    loginFailure: null,
    cause: null,
    clients: 312,
    active: 9,
    idle: 6,
    opening: 0,
    waiting: 0,
    oldestWaitMs: null,
    waitLimitMs: 20_000,
    queuedMs: null,
    trouble: null,
    loginFailing: false,
    transactions: 8_412_210,
    queries: 21_884_133,
    errors: 412,
    refused: 0,
    receivedBytes: 4.1e9,
    sentBytes: 7.7e10,
    transactionsPerSecond: 1_204,
    queriesPerSecond: 3_118,
    waitMs: times(0, 1.4),
    transactionMs: times(3.1, 41),
    queryMs: times(0.8, 12.2),
    ...changes,
  };
}

/** The figures that the pooler has listed of each pool. */
const COLUMNS: PoolColumn[] = [
  { field: "transactionsPerSecond", label: "tx/s", unit: "rate", rank: 0 },
  { field: "queriesPerSecond", label: "queries/s", unit: "rate", rank: 9 },
  { field: "waitMs.p99", label: "wait p99", unit: "milliseconds", rank: 2 },
  { field: "queryMs.p99", label: "query p99", unit: "milliseconds", rank: 4 },
  { field: "refused", label: "refused", unit: "count", rank: 6 },
];

/** What a pooler says of this, of which it tells one line too. */
export function alarm(changes: Partial<Alarm>): Alarm {
  const what = changes.what ?? "";
  return { key: "", severity: "warning", next: "", section: null, line: what, ...changes, what };
}

export function headline(text: string): Headline {
  return { text, line: text, isWell: text.startsWith("All is well") };
}

/** A time series that wanders, the same at every run. */
function wandering(points: number, middle: number, spread: number, bump: number): number[] {
  return Array.from({ length: points }, (_, index) => {
    const wave = Math.sin(index / 9) + 0.6 * Math.sin(index / 3.7 + 1) + 0.3 * Math.sin(index * 1.7);
    const late = index > points - 26 ? bump * Math.min(1, (index - (points - 26)) / 8) : 0;
    return Math.max(0, middle + spread * wave + late);
  });
}

const ORDERS = "SELECT o.id, o.placed_at, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.shop_id = $1 AND o.placed_at > $2 ORDER BY o.placed_at DESC LIMIT $3";
const ITEM = "SELECT * FROM order_items WHERE order_id = $1";
const STOCK = "UPDATE stock SET quantity = quantity - $1 WHERE sku = $2 RETURNING quantity";
const REPORT = "SELECT date_trunc($1, placed_at) AS day, sum(total) FROM orders GROUP BY day ORDER BY day";

export function busy(at: number = Date.now()): Live {
  const points = 180;
  const iso = (secondsAgo: number) => new Date(at - 1000 * secondsAgo).toISOString();
  const round = (values: number[]) => values.map((value) => Math.round(value * 10) / 10);
  return {
    version: "0.1.0",
    timestamp: iso(0),
    uptimeSeconds: 271_440,
    ready: true,
    draining: false,
    paused: false,
    suspended: false,
    pausedDatabases: [],
    disabledDatabases: [],
    clients: 471,
    clientsLimit: 1_000,
    alarms: [
      alarm({
        key: "waiting shop/web",
        what: "shop/web: 8 clients wait, the first for 2.3 s",
        next: "More than 5 have for 42 s: all servers are in use.",
        section: "holders",
      }),
    ],
    headline: headline("8 clients wait in 1 of 4 pools, the first for 2.3 s."),
    columns: COLUMNS,
    workers: [{ busy: 0.38, clients: 301 }, { busy: 0.21, clients: 170 }],
    errors: [{ sqlstate: "57P03", count: 12 }, { sqlstate: "28P01", count: 3 }],
    window: "1min",
    timesSeconds: 60,
    connect: "psql -h 127.0.0.1 -p 6432 -U web shop",
    sum: {
      transactionsPerSecond: 1_634,
      queriesPerSecond: 3_900,
      refused: 4,
      errors: 12,
      waitMs: times(0, 2_100),
      queryMs: times(0.9, 556),
    },
    pools: [
      pool({
        active: 20, idle: 0, waiting: 8, oldestWaitMs: 2_340, queuedMs: 42_000, trouble: "warning", refused: 4,
        waitMs: times(210, 2_400), queryMs: times(1.1, 640), transactionMs: times(5, 1_900),
      }),
      pool({ user: "jobs", clients: 24, active: 3, idle: 5, limit: 10, reserveLimit: 3, opening: 1, transactionsPerSecond: 41.2, queriesPerSecond: 380, mode: "session" }),
      pool({ database: "ledger", user: "api", clients: 96, active: 11, idle: 21, limit: 200, transactionsPerSecond: 388, queriesPerSecond: 402 }),
      pool({ database: "reports", user: "metabase", clients: 39, active: 1, idle: 1, limit: null, waitLimitMs: null, transactionsPerSecond: 0.4, queriesPerSecond: 0.4, waitMs: times(0, 0), queryMs: times(120, 4_100) }),
    ],
    history: {
      seconds: Array.from({ length: points }, (_, index) => Math.round(at / 1000) - 5 * (points - 1 - index)),
      transactionsPerSecond: round(wandering(points, 1_880, 90, -260)),
      queriesPerSecond: round(wandering(points, 3_900, 220, -600)),
      waitP99Ms: round(wandering(points, 1.2, 0.4, 2_100)),
      queryP99Ms: round(wandering(points, 14, 3, 540)),
      waiting: wandering(points, 0, 0.4, 8).map(Math.round),
      active: wandering(points, 13, 2, 9).map(Math.round),
    },
    statements: [
      { fingerprint: "8d41c0aa91f2", text: ORDERS, database: "shop", user: "web", calls: 812_400, totalMs: 9_812_000, meanMs: 12.1, p99Ms: 610, maxMs: 4_210, rows: 40_620_000, bytes: 6.1e9, errors: 0 },
      { fingerprint: "11f0b2c3d4e5", text: ITEM, database: "shop", user: "web", calls: 9_640_000, totalMs: 4_820_000, meanMs: 0.5, p99Ms: 2.1, maxMs: 91, rows: 28_100_000, bytes: 3.9e9, errors: 0 },
      { fingerprint: "a7aa02bb13cc", text: REPORT, database: "reports", user: "metabase", calls: 310, totalMs: 1_271_000, meanMs: 4_100, p99Ms: 9_800, maxMs: 12_400, rows: 112_000, bytes: 2.2e6, errors: 2 },
      { fingerprint: "c0ffee00c0ff", text: STOCK, database: "shop", user: "jobs", calls: 201_000, totalMs: 402_000, meanMs: 2, p99Ms: 19, maxMs: 8_900, rows: 201_000, bytes: 4.4e6, errors: 17 },
      { fingerprint: "5e551001ab00", text: "SELECT balance FROM accounts WHERE id = $1", database: "ledger", user: "api", calls: 1_300_000, totalMs: 260_000, meanMs: 0.2, p99Ms: 0.9, maxMs: 44, rows: 1_300_000, bytes: 4.1e7, errors: 0 },
    ],
    slow: [
      { at: iso(14), level: "very slow", database: "reports", user: "metabase", applicationName: "Metabase", client: "10.0.3.9:51120", text: REPORT, fingerprint: "a7aa02bb13cc", waitMs: 0, serverMs: 9_800, times: 3, worstMs: 11_200 },
      { at: iso(31), level: "slow", database: "shop", user: "web", applicationName: "storefront", client: "10.0.1.17:40022", text: ORDERS, fingerprint: "8d41c0aa91f2", waitMs: 1_910, serverMs: 1_240, times: 41, worstMs: 1_870 },
      { at: iso(77), level: "slow", database: "shop", user: "jobs", applicationName: "importer", client: "10.0.2.4:39980", text: STOCK, fingerprint: "c0ffee00c0ff", waitMs: 0.4, serverMs: 2_870, times: 1, worstMs: 2_870 },
    ],
    nPlusOne: [
      { at: iso(3), database: "shop", user: "web", client: "17", applicationName: "storefront", text: ITEM, fingerprint: "11f0b2c3d4e5", times: 48, found: 1, tags: { route: "/orders", controller: "orders" } },
      { at: iso(4), database: "shop", user: "web", client: "17", applicationName: "storefront", text: ITEM, fingerprint: "11f0b2c3d4e5", times: 51, found: 1, tags: { route: "/orders", controller: "orders" } },
      { at: iso(122), database: "ledger", user: "api", client: "40", applicationName: "", text: "SELECT balance FROM accounts WHERE id = $1", fingerprint: "5e551001ab00", times: 12, found: 1, tags: {} },
    ],
    holders: [
      { client: "91", address: "10.0.2.4:39980", database: "shop", user: "web", applicationName: "importer", state: "idle in transaction", heldMs: 84_400, sinceMs: 84_300, pin: null, pinMs: null, pinText: null, lastText: STOCK, serverPid: 20_411, waitersBehind: 8, lockWaiters: 19, leak: true },
      { client: "17", address: "10.0.1.17:40022", database: "shop", user: "web", applicationName: "storefront", state: "waiting for a lock", heldMs: 71_300, sinceMs: 71_240, pin: null, pinMs: null, pinText: null, lastText: STOCK, serverPid: 20_388, waitersBehind: 8, lockWaiters: 0, leak: false },
      { client: "203", address: "10.0.2.9:40810", database: "shop", user: "jobs", applicationName: "importer", state: "idle, pinned", heldMs: 612_100, sinceMs: 612_000, pin: "listen", pinMs: 612_000, pinText: "LISTEN orders", lastText: "LISTEN orders", serverPid: 20_501, waitersBehind: 0, lockWaiters: 0, leak: false },
    ],
    waiters: [
      { client: "407", database: "shop", user: "web", applicationName: "storefront", address: "10.0.1.18:40410", waitedMs: 2_310, cause: "locks" },
      { client: "391", database: "shop", user: "web", applicationName: "", address: null, waitedMs: 1_240, cause: "locks" },
    ],
    waits: [
      { cause: "locks", waiting: 8, total: 214, totalMs: 402_000, who: "The locks are held by client 91 of shop/web (application_name importer, server process 20411), idle in transaction for 84 s; its last statement: UPDATE stock SET quantity = quantity - $1 WHERE sku = $2 RETURNING quantity.", hint: "Most servers run statements that wait for locks: commit sooner in the transactions that hold them, and set idle_transaction_timeout here and lock_timeout in PostgreSQL." },
      { cause: "slow_statements", waiting: 0, total: 1_940, totalMs: 610_000, who: null, hint: "Most servers run slow statements: make those faster, or raise the pool’s size if PostgreSQL has cores to spare." },
      { cause: "pool_limit", waiting: 0, total: 88, totalMs: 9_100, who: null, hint: null },
      { cause: "login_failing", waiting: 0, total: 0, totalMs: 0, who: null, hint: null },
    ],
    blockers: [
      { server: "db1.internal:5432", kind: "client", client: "91", database: "shop", user: "web", applicationName: "importer", state: "idle in transaction", sinceMs: 84_300, lastText: STOCK, serverPid: 20_411, lockWaiters: 19 },
    ],
    postgres: [
      { server: "db1.internal:5432", sight: "full", maxConnections: 100, reserved: 3, ours: 29, elsewhere: 14, activeSessions: 5, cores: 4, waitEvents: [{ event: "CPU", sessions: 2.4 }, { event: "Lock: transactionid", sessions: 1.6 }, { event: "IO: DataFileRead", sessions: 0.9 }, { event: "LWLock: WALWrite", sessions: 0.3 }] },
      { server: "db2.internal:5432", sight: "reduced", maxConnections: 300, reserved: 3, ours: 32, elsewhere: 2, activeSessions: null, cores: null, waitEvents: [] },
    ],
    events: [
      { at: iso(6), severity: "warning", text: "shop/web: 6 clients wait for a server" },
      { at: iso(52), severity: "error", text: "shop/web: clients are refused: they got no server in time" },
      { at: iso(610), severity: "info", text: "ledger/api: logins to PostgreSQL succeed again" },
      { at: iso(655), severity: "error", text: "ledger/api: logins to PostgreSQL fail; the log has the reason" },
    ],
  };
}

/** The same pooler on a good day. */
export function calm(at: number = Date.now()): Live {
  const live = busy(at);
  const points = live.history.seconds.length;
  live.pools = live.pools.map((one) => ({ ...one, active: Math.min(one.active, 9), idle: 6, waiting: 0, oldestWaitMs: null, queuedMs: null, trouble: null, refused: 0, waitMs: times(0, 1.2), queryMs: times(0.8, 12) }));
  live.history.waitP99Ms = wandering(points, 1.2, 0.4, 0);
  live.history.queryP99Ms = wandering(points, 14, 3, 0);
  live.history.waiting = wandering(points, 0, 0.1, 0).map(Math.floor);
  live.history.active = wandering(points, 13, 2, 0).map(Math.round);
  live.waits = live.waits?.map((cause) => ({ ...cause, waiting: 0 })) ?? [];
  live.holders = [];
  live.waiters = [];
  live.blockers = [];
  live.events = [];
  live.alarms = [];
  live.headline = headline("All is well. 4 pools serve 471 clients; nobody waits.");
  return live;
}

/** What a pooler sends that records nothing but the pools. */
export function bare(at: number = Date.now()): Live {
  const { statements, slow, nPlusOne, holders, waiters, waits, blockers, postgres, ...rest } = calm(at);
  void [statements, slow, nPlusOne, holders, waiters, waits, blockers, postgres];
  return rest;
}
