// When somebody has to look. Pure: a document in, alarms out.

import { poolName, type Live, type Pool } from "./document";
import { clientsWait, count, duration, span } from "./format";

export interface Alarm {
  /** Stays the same while the alarm goes on. */
  key: string;
  severity: "warning" | "error";
  what: string;
  /** What to look at, or do. */
  next: string;
  /** The section that shows more of it. */
  link?: { to: string; text: string };
}

const TO_HOLDERS = { to: "#holders", text: "Who holds the servers" };

/**
 * How long a queue has been long before it is worth a warning; shorter ones are what a pooler is for. The pooler says since
 * when, so that a page that was opened a moment ago knows as well.
 */
export const QUEUED_MS = 30_000;
/** Share of the time a client may wait, at which the first in the queue will soon be refused. */
export const WAIT_SHARE = 0.5;
/** Share of the limit of clients at which new ones will soon be refused. */
export const CLIENTS_SHARE = 0.9;

export function documentAlarms(live: Live): Alarm[] {
  const alarms: Alarm[] = [];
  if (live.draining) {
    alarms.push({
      key: "draining",
      severity: "warning",
      what: "pgweir is shutting down",
      next: `${count(live.clients)} clients may finish their transactions; new ones are not accepted.`,
    });
  } else if (!live.ready) {
    alarms.push({
      key: "not ready",
      severity: "error",
      what: "PostgreSQL cannot be reached",
      next: "No server is open and the last login failed. The log of pgweir has PostgreSQL’s reason.",
    });
  }
  if (live.clients >= CLIENTS_SHARE * live.clientsLimit) {
    alarms.push({
      key: "clients",
      severity: "warning",
      what: `${count(live.clients)} of at most ${count(live.clientsLimit)} clients are connected`,
      next: "The next ones are refused at the limit. Find who opens so many, or raise max_client_conn.",
    });
  }
  for (const pool of live.pools) alarms.push(...poolAlarms(pool));
  return alarms;
}

export function poolAlarms(pool: Pool): Alarm[] {
  const alarms: Alarm[] = [];
  const name = poolName(pool);
  if (pool.loginFailing) {
    alarms.push({
      key: `login ${name}`,
      severity: "error",
      what: `${name}: logins to PostgreSQL fail`,
      next: "The log of pgweir has PostgreSQL’s reason: a password, a limit, or nobody at the address.",
    });
  }
  const { waiting, oldestWaitMs, waitLimitMs, queuedMs } = pool;
  const nearLimit =
    waiting > 0 && oldestWaitMs != null && waitLimitMs != null
      ? oldestWaitMs >= WAIT_SHARE * waitLimitMs
      : false;
  if (nearLimit || (queuedMs != null && queuedMs >= QUEUED_MS)) {
    const first = oldestWaitMs == null ? "" : `, the first for ${duration(oldestWaitMs)}`;
    alarms.push({
      key: `waiting ${name}`,
      severity: nearLimit ? "error" : "warning",
      what: `${name}: ${clientsWait(waiting)}${first}`,
      next:
        nearLimit && waitLimitMs != null
          ? `They are refused after ${duration(waitLimitMs)}.`
          : `More than 5 have for ${span((queuedMs ?? 0) / 1000)}: all servers are in use.`,
      link: TO_HOLDERS,
    });
  }
  return alarms;
}

/** Clients were refused between two looks. */
export function refusalAlarm(pool: Pool, more: number, secondsAgo: number): Alarm {
  const name = poolName(pool);
  return {
    key: `refused ${name}`,
    severity: "error",
    what: `${name}: ${more === 1 ? "1 client was" : `${count(more)} clients were`} refused`,
    next:
      secondsAgo < 2
        ? "They got no server in time and saw an error."
        : `They got no server in time and saw an error; the last ${span(secondsAgo)} ago.`,
  };
}

export function lostAlarm(seconds: number, reason: string): Alarm {
  return {
    key: "lost",
    severity: "error",
    what: `No word from pgweir for ${span(seconds)}`,
    next: `${reason} What is shown below is old. Trying again.`,
  };
}
