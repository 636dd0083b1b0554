// How things of the document are called on the page.

import type { Live, Window } from "./document";
import { span } from "./format";

/** The times that figures may be of. */
export const WINDOWS: [Window, string][] = [
  ["5s", "Last 5 s"],
  ["1min", "Last minute"],
  ["15min", "Last 15 min"],
  ["start", "Since the start"],
];

/** Of which time the figures of this document are: as long as that is, which may be shorter than was asked for. */
export function windowText(live: Live): string {
  return live.window === "start" ? "since the start" : `last ${span(live.timesSeconds)}`;
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
