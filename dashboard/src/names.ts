// How things of the document are called on the page.

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
