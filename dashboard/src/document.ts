// The live document as the pooler sends it. Times are milliseconds unless named otherwise. What is
// optional is absent where the pooler does not know it or has it switched off.

export interface Times {
  mean: number | null;
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface Pool {
  database: string;
  user: string;
  mode: "session" | "transaction" | "statement" | null;
  limit: number | null;
  reserveLimit: number;
  clients: number;
  active: number;
  idle: number;
  opening: number;
  waiting: number;
  oldestWaitMs: number | null;
  waitLimitMs: number | null;
  /** How long more than 5 clients have waited, at every look. */
  queuedMs: number | null;
  loginFailing: boolean;
  transactions: number;
  queries: number;
  errors: number;
  refused: number;
  receivedBytes: number;
  sentBytes: number;
  transactionsPerSecond: number;
  queriesPerSecond: number;
  waitMs: Times;
  transactionMs: Times;
  queryMs: Times;
}

export interface History {
  seconds: number[];
  transactionsPerSecond: number[];
  queriesPerSecond: number[];
  waitP99Ms: (number | null)[];
  queryP99Ms: (number | null)[];
  waiting: number[];
  active: number[];
}

export interface Statement {
  fingerprint: string;
  text: string;
  database: string;
  user: string;
  calls: number;
  totalMs: number;
  meanMs: number;
  p99Ms: number | null;
  maxMs: number;
  rows: number;
  bytes: number;
  errors: number;
}

export interface SlowQuery {
  at: string;
  level: "slow" | "very slow";
  database: string;
  user: string;
  client?: string;
  applicationName?: string;
  text: string;
  fingerprint: string;
  waitMs: number;
  serverMs: number;
}

export interface NPlusOne {
  at: string;
  database: string;
  user: string;
  applicationName?: string;
  text: string;
  fingerprint: string;
  times: number;
  found: number;
  tags?: Record<string, string>;
}

export interface Holder {
  client: string | number;
  address?: string;
  database: string;
  user: string;
  applicationName?: string;
  state: "idle in transaction" | "active" | "waiting for a lock" | "idle, pinned";
  /** How long it has the server. */
  heldMs?: number;
  /** How long it has been in that state. */
  sinceMs: number;
  pin?: string | null;
  lastText?: string | null;
  serverPid?: number | null;
  waitersBehind: number;
  /** Sessions that wait for locks it holds. */
  lockWaiters?: number;
  /** The pooler takes it for one that was forgotten. */
  leak?: boolean;
}

export interface WaitCause {
  cause: string;
  waiting: number;
  total: number;
  totalMs: number;
  /** Of locks: who holds those that most wait for. */
  who?: string | null;
  hint?: string | null;
}

/** A client that waits for a server. */
export interface Waiter {
  database: string;
  user: string;
  client: string;
  applicationName: string;
  address: string | null;
  waitedMs: number;
  cause: string | null;
}

/** Somebody who holds locks that others wait for. Texts are empty where PostgreSQL hides them. */
export interface Blocker {
  /** The PostgreSQL where that is. */
  server: string;
  kind: "client" | "clients" | "server" | "elsewhere" | "prepared";
  client?: string | null;
  database: string;
  user: string;
  applicationName: string;
  state: string;
  sinceMs: number | null;
  lastText: string | null;
  serverPid: number | null;
  lockWaiters: number;
}

export interface Postgres {
  /** Host and port, or a path. */
  server: string;
  /** How much of it the pooler sees. */
  sight: "full" | "reduced" | "away" | "no_user" | "off";
  maxConnections?: number;
  reserved?: number;
  ours?: number;
  elsewhere?: number;
  /** Absent where what other users' sessions do is hidden. */
  activeSessions?: number | null;
  cores?: number | null;
  waitEvents?: { event: string; sessions: number }[];
}

export interface PoolerEvent {
  at: string;
  severity: "info" | "warning" | "error";
  text: string;
}

export interface Live {
  version: string;
  timestamp: string;
  uptimeSeconds: number;
  ready: boolean;
  draining: boolean;
  clients: number;
  clientsLimit: number;
  workers: { busy: number; clients: number }[];
  errors: { sqlstate: string; count: number }[];
  timesSeconds?: number;
  pools: Pool[];
  history: History;
  statements?: Statement[];
  slow?: SlowQuery[];
  nPlusOne?: NPlusOne[];
  holders?: Holder[];
  waiters?: Waiter[];
  waits?: WaitCause[];
  blockers?: Blocker[];
  postgres?: Postgres[];
  events?: PoolerEvent[];
}

/** How a pool is called everywhere. */
export function poolName(of: { database: string; user: string }): string {
  return `${of.database}/${of.user}`;
}

/** What the pooler calls causes of waits, in words. */
const CAUSES: Record<string, string> = {
  locks: "Locks that others hold",
  slow_statements: "Slow statements",
  idle_in_transaction: "Clients idle in transactions",
  pinned: "Servers that stay with their clients",
  pool_limit: "The limit of the pool",
  database_limit: "The limit of the database",
  user_limit: "The limit of the user",
  opening: "Servers that are logging in",
  login_failing: "Logins that fail",
  postgres_full: "PostgreSQL is full",
};

export function causeName(cause: string): string {
  return CAUSES[cause] ?? cause.replaceAll("_", " ");
}
