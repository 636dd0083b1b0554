// The live document as the pooler sends it. Made from crates/telemetry by its test `typescript`
// (`RECORD=1 cargo test -p pgweir-telemetry --test typescript`); not to be changed by hand.

/** Something to look at. */
export interface Alarm {
  /** Stays the same while the alarm goes on. */
  key: string;
  /** All of it in one line, for where there is no room for sentences. */
  line: string;
  /** What to look at, or do. */
  next: string;
  /** The section of this document that shows more of it. */
  section: string | null;
  /** How bad it is: `warning` or `error`. */
  severity: Severity;
  /** What is the matter. */
  what: string;
}

/** What somebody is who holds locks. */
export type BlockerKind = "client" | "clients" | "server" | "elsewhere" | "prepared";

/** How often an error was sent. */
export interface ErrorCount {
  /** How often. */
  count: number;
  /** Which. */
  sqlstate: string;
}

/** What a figure is of. */
export type FigureUnit = "count" | "rate" | "milliseconds";

/** How it goes. */
export interface Headline {
  /** There is no alarm, nobody waits for a lock, and nobody has forgotten a server. A short queue
   * is what a pooler is for. */
  isWell: boolean;
  /** For one line: the worst alarm; where there is none, who waits, for whose locks, and who has
   * forgotten a server. */
  line: string;
  /** The state of things, or what is most wrong. */
  text: string;
}

/** Columns of equal length, a row per five seconds, the oldest first. */
export interface HistoryColumns {
  /** The most at once. */
  active: number[];
  /** Of all pools. */
  queriesPerSecond: number[];
  /** Null where no query ended. */
  queryP99Ms: (number | null)[];
  /** Ends of the rows, since 1970. */
  seconds: number[];
  /** Of all pools. */
  transactionsPerSecond: number[];
  /** Null where nobody got a server. */
  waitP99Ms: (number | null)[];
  /** The most at once. */
  waiting: number[];
}

/** What a client does with the server it holds. */
export type HolderState = "active" | "waiting for a lock" | "idle in transaction" | "idle, pinned";

/** The pooler at one moment. Times are milliseconds unless named otherwise. A section that is absent
 * is off or unknown. */
export interface Live {
  /** What somebody has to look at, the worst first. */
  alarms?: Alarm[];
  /** Who holds locks that servers of pools wait for, as the probe saw it last; the one that most
   * wait for first. */
  blockers?: LiveBlocker[];
  /** Clients logged in. */
  clients: number;
  /** Limit of `clients`. */
  clientsLimit: number;
  /** Which figures of a pool to list. */
  columns: PoolColumn[];
  /** A command that connects through it, without a password; null where nothing listens. */
  connect: string | null;
  /** Databases that let nobody in. */
  disabledDatabases: string[];
  /** The pooler shuts down. */
  draining: boolean;
  /** Errors of the pooler since the start. */
  errors: ErrorCount[];
  /** What happened, the newest first. */
  events?: LiveEvent[];
  headline?: Headline;
  /** The last quarter of an hour, whatever the window. */
  history: HistoryColumns;
  /** Clients that have held a server for longer than a moment. */
  holders?: LiveHolder[];
  /** Statements that a client repeated, a round trip each, the latest first. */
  nPlusOne?: NPlusOne[];
  /** No pool may have a server until its operator resumes it: clients wait. */
  paused: boolean;
  /** Databases that are paused by name: their clients wait. */
  pausedDatabases: string[];
  /** At most 201. */
  pools: LivePool[];
  /** What each PostgreSQL says of itself. */
  postgres?: LivePostgres[];
  /** Whether clients should come here. */
  ready: boolean;
  /** Slow statements, the latest first. */
  slow?: SlowQuery[];
  /** Those that took the most time together since the start; texts without literals. */
  statements?: TopStatement[];
  /** All pools together. */
  sum: LiveSum;
  /** Nothing is read from clients or written to them until its operator resumes it. */
  suspended: boolean;
  /** How long that is at this moment. */
  timesSeconds: number;
  /** When this was; RFC 3339, UTC. */
  timestamp: string;
  /** Time since the start. */
  uptimeSeconds: number;
  /** The pooler's version. */
  version: string;
  /** Clients that wait for a server for longer than a moment, the longest wait first. */
  waiters?: LiveWaiter[];
  /** Why clients wait now, and have waited. */
  waits?: WaitCause[];
  /** What counts, rates and times of the pools, their sum, and `waits` are of. */
  window: Window;
  /** The threads of the data plane. */
  workers: LiveWorker[];
}

/** Somebody who holds locks that others wait for. Texts are empty where PostgreSQL hides them. */
export interface LiveBlocker {
  /** What it calls itself. */
  applicationName: string;
  /** The number of a client of ours. */
  client: string | null;
  /** Where it is. */
  database: string;
  /** What it is. client: one of the pooler. clients: several in turn, each for a moment. server:
   * one that no client holds. elsewhere: a session that does not come through the pooler.
   * prepared: a prepared transaction. */
  kind: BlockerKind;
  /** Without literals. */
  lastText: string | null;
  /** Sessions that wait for its locks, also those behind others that do. */
  lockWaiters: number;
  /** The PostgreSQL where that is. */
  server: string;
  /** PostgreSQL's process. */
  serverPid: number | null;
  /** How long it has been in that state. */
  sinceMs: number | null;
  /** What it does. */
  state: string;
  /** Whose it is. */
  user: string;
}

/** Something that happened. */
export interface LiveEvent {
  /** When; RFC 3339, UTC. */
  at: string;
  /** How much it matters. */
  severity: Severity;
  /** What. */
  text: string;
}

/** A client that has held a server for longer than a moment. */
export interface LiveHolder {
  /** Null over a unix socket. */
  address: string | null;
  /** What it calls itself; may be empty. */
  applicationName: string;
  /** Its number, by which something is done to it. */
  client: string;
  /** Of its pool. */
  database: string;
  /** How long it has the server. */
  heldMs: number;
  /** Without literals. */
  lastText: string | null;
  /** The pooler takes it for one that was forgotten. */
  leak: boolean;
  /** Sessions that wait for its locks, as the probe saw it last. */
  lockWaiters: number;
  /** What keeps the server with it, also between transactions, if something does. */
  pin: string | null;
  /** How long that has; null in session mode, where all do. */
  pinMs: number | null;
  /** The statement that it comes from, without literals. */
  pinText: string | null;
  /** PostgreSQL's process. */
  serverPid: number | null;
  /** How long it has been in that state. */
  sinceMs: number;
  /** What it does. */
  state: HolderState;
  /** Of its pool. */
  user: string;
  /** Clients that wait for a server in its pool. */
  waitersBehind: number;
}

/** When a server goes back to its pool. */
export type LiveMode = "session" | "transaction" | "statement";

/** A pool. Counts, rates and times are those of the window; clients and servers are those of this moment. */
export interface LivePool {
  /** Servers held by clients. */
  active: number;
  /** Why its clients wait, as in `waits`, weighed over the last seconds; null while nobody does. */
  cause: string | null;
  /** Clients logged in. */
  clients: number;
  /** As clients ask for it. */
  database: string;
  /** Errors of PostgreSQL that clients were sent. */
  errors: number;
  /** Servers free for use. */
  idle: number;
  /** Servers at most; null is no limit. */
  limit: number | null;
  /** The last login to PostgreSQL failed. */
  loginFailing: boolean;
  /** Why the last login to PostgreSQL failed, if it did. */
  loginFailure: string | null;
  mode: LiveMode | null;
  /** How long the client that is first in the queue has waited. */
  oldestWaitMs: number | null;
  /** Servers logging in. */
  opening: number;
  /** Queries that ended. */
  queries: number;
  /** On average over the window. */
  queriesPerSecond: number;
  /** From sending to the answer. */
  queryMs: Times;
  /** How long more than 5 clients have waited, at every look; null while no more than 5 do. */
  queuedMs: number | null;
  /** Bytes from clients to servers. */
  receivedBytes: number;
  /** Clients that did not get a server. */
  refused: number;
  /** Servers beyond the limit for clients that waited long. */
  reserveLimit: number;
  /** Bytes from servers to clients. */
  sentBytes: number;
  /** From the first byte to the last answer. */
  transactionMs: Times;
  /** Transactions that ended. */
  transactions: number;
  /** On average over the window. */
  transactionsPerSecond: number;
  trouble: Severity | null;
  /** As whom they log in. */
  user: string;
  /** How long a client may wait; null is no bound. */
  waitLimitMs: number | null;
  /** Waits of clients for the server they got. */
  waitMs: Times;
  /** Clients that wait for a server. */
  waiting: number;
}

/** A PostgreSQL of the configuration. All but its name, how much is seen of it and its cores is
 * absent where it says nothing. */
export interface LivePostgres {
  /** Null where what other users' sessions do is hidden from the probe. */
  activeSessions?: number | null;
  /** Cores of its machine, where the configuration says. */
  cores: number | null;
  /** The others. */
  elsewhere?: number;
  /** Its limit. Without it nothing else is known. */
  maxConnections?: number;
  /** Sessions that are servers of our pools. */
  ours?: number;
  /** Connections that ordinary users cannot have. */
  reserved?: number;
  /** Host and port, or a path. */
  server: string;
  /** How much is seen of it. reduced: what other users' sessions do is hidden, for want of
   * pg_monitor. away: it does not answer. no_user: nobody to ask as. off: it is not asked. */
  sight: SightWord;
  /** Averages of the last minute, the greatest first. */
  waitEvents?: WaitEvent[];
}

/** All pools together, in the window. */
export interface LiveSum {
  /** Errors of PostgreSQL that clients were sent. */
  errors: number;
  /** On average. */
  queriesPerSecond: number;
  /** From sending to the answer. */
  queryMs: Times;
  /** Clients that did not get a server. */
  refused: number;
  /** On average. */
  transactionsPerSecond: number;
  /** Waits of clients for the server they got. */
  waitMs: Times;
}

/** A client that waits for a server. */
export interface LiveWaiter {
  /** Null over a unix socket. */
  address: string | null;
  /** What it calls itself; may be empty. */
  applicationName: string;
  /** What keeps the servers of its pool from it, as in `waits`. */
  cause: string | null;
  /** Its number. */
  client: string;
  /** Of its pool. */
  database: string;
  /** Of its pool. */
  user: string;
  /** So far. */
  waitedMs: number;
}

/** A thread of the data plane. */
export interface LiveWorker {
  /** Share of its time, 0 to 1. */
  busy: number;
  /** Clients that live there. */
  clients: number;
}

/** A statement that a client repeated, a round trip each. */
export interface NPlusOne {
  /** What the client calls itself; may be empty. */
  applicationName: string;
  /** When last; RFC 3339, UTC. */
  at: string;
  /** The client's number. */
  client: string;
  /** Of its pool. */
  database: string;
  /** What it is recognised by. */
  fingerprint: string;
  /** How many clients and transactions did that. */
  found: number;
  /** Of the comment that came with it (sqlcommenter). */
  tags: Record<string, string>;
  /** Without literals. */
  text: string;
  /** In a row, at least. */
  times: number;
  /** Of its pool. */
  user: string;
}

/** A figure of each pool that views list beside what they draw of it. */
export interface PoolColumn {
  /** Where it is in a pool: a name, or two with a dot between. */
  field: string;
  /** What to call it. */
  label: string;
  /** Where there is no room for all, those of the highest rank go first; 0 stays. */
  rank: number;
  /** How to write it. */
  unit: FigureUnit;
}

/** One pool in JSON. Counts are those since the start; times are milliseconds, and an absent one is
 * of nothing. */
export interface PoolStats {
  /** Servers held by clients. */
  active: number;
  /** Clients logged in. */
  clients: number;
  /** As clients ask for it. */
  database: string;
  /** Errors of PostgreSQL that clients were sent. */
  errors: number;
  /** Servers free for use. */
  idle: number;
  /** Servers at most; null is no limit. */
  limit: number | null;
  /** The last login to PostgreSQL failed. */
  loginFailing: boolean;
  mode: LiveMode | null;
  /** How long the client that is first in the queue has waited. */
  oldestWaitMs: number | null;
  /** Servers logging in. */
  opening: number;
  /** Queries that ended. */
  queries: number;
  /** From sending to the answer. */
  queryMs: Times;
  /** Bytes from clients to servers. */
  receivedBytes: number;
  /** Clients that did not get a server. */
  refused: number;
  /** Bytes from servers to clients. */
  sentBytes: number;
  /** From the first byte to the last answer. */
  transactionMs: Times;
  /** Transactions that ended. */
  transactions: number;
  /** As whom they log in. */
  user: string;
  /** Waits of clients for the server they got. */
  waitMs: Times;
  /** Clients that wait for a server. */
  waiting: number;
}

/** What a PostgreSQL says. */
export interface ServerSessions {
  /** Null where what other users' sessions do is hidden from the probe. */
  activeSessions: number | null;
  /** The others. */
  elsewhere: number;
  /** Its limit. Without it nothing else is known. */
  maxConnections: number;
  /** Sessions that are servers of our pools. */
  ours: number;
  /** Connections that ordinary users cannot have. */
  reserved: number;
  /** Averages of the last minute, the greatest first. */
  waitEvents: WaitEvent[];
}

/** How much something matters; the worst first. */
export type Severity = "error" | "warning" | "info";

/** How much is seen of a PostgreSQL. */
export type SightWord = "full" | "reduced" | "away" | "no_user" | "off";

/** How slow a statement was. */
export type SlowLevel = "slow" | "very slow";

/** A slow statement of an application, and how often it was slow. */
export interface SlowQuery {
  /** What the client calls itself; may be empty. */
  applicationName: string;
  /** When it ended last; RFC 3339, UTC. */
  at: string;
  /** The client's number. */
  client: string;
  /** Of its pool. */
  database: string;
  /** What it is recognised by. */
  fingerprint: string;
  /** How slow the slowest was. */
  level: SlowLevel;
  /** How long PostgreSQL took, the last time. */
  serverMs: number;
  /** Without literals. */
  text: string;
  /** How often it was slow. */
  times: number;
  /** Of its pool. */
  user: string;
  /** How long the client had waited for a server, the last time. */
  waitMs: number;
  /** How long PostgreSQL took at the most. */
  worstMs: number;
}

/** What a histogram says, in milliseconds; null where nothing was counted yet. */
export interface Times {
  /** The mean. */
  mean: number | null;
  /** Half of all took no longer. */
  p50: number | null;
  /** 95 % took no longer. */
  p95: number | null;
  /** 99 % took no longer. */
  p99: number | null;
}

/** A statement of a pool. Times are those of executions. */
export interface TopStatement {
  /** That PostgreSQL answered. */
  bytes: number;
  /** Executions. */
  calls: number;
  /** Of its pool. */
  database: string;
  /** Those that failed. */
  errors: number;
  /** What it is recognised by. */
  fingerprint: string;
  /** The longest. */
  maxMs: number;
  /** On average. */
  meanMs: number;
  /** 99 % took no longer. */
  p99Ms: number | null;
  /** Returned or changed. */
  rows: number;
  /** Without literals. */
  text: string;
  /** All together. */
  totalMs: number;
  /** Of its pool. */
  user: string;
}

/** Why clients wait now, and have waited in the window. */
export interface WaitCause {
  /** Its name, as in metrics. */
  cause: string;
  /** What to do about it. */
  hint: string | null;
  /** Waits that have ended. */
  total: number;
  /** All of those together. */
  totalMs: number;
  /** Clients that wait for it now. */
  waiting: number;
  /** Of locks: who holds those that most wait for. */
  who: string | null;
}

/** What active sessions wait for. */
export interface WaitEvent {
  /** Its kind and name, as PostgreSQL has them. */
  event: string;
  /** How many at once. */
  sessions: number;
}

/** What counts, rates and times of pools and waits are of. Statements are counted since the start, and charts
 * cover a quarter of an hour, whichever it is. */
export type Window = "5s" | "1min" | "15min" | "start";
