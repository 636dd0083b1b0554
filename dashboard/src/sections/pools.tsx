import { useState } from "preact/hooks";
import type { Live, LivePool, PoolColumn } from "../document";
import { clientsWait, count, duration, figure, plural } from "../format";
import { More } from "../more";
import { poolName, windowText } from "../names";
import { Nothing, Section } from "../section";
import { filter, matches } from "../store";

/** Pools shown until somebody asks for all. */
const SHOWN_MAX = 12;
/** Cells of a picture; a pool with more connections has several in each. */
const CELLS_MAX = 48;
/** Waiting clients drawn one by one. */
const DOTS_MAX = 20;

/** Each pool as a picture of its connections. */
export function Pools({ live }: { live: Live }) {
  const [all, showAll] = useState(false);
  const pools = live.pools.filter((pool) => matches(pool.database, pool.user, pool.mode));
  const ordered = pools
    .map((pool, index) => ({ pool, index, trouble: trouble(pool) }))
    // Those in trouble first; the others stay where they are, so that nothing jumps.
    .sort((a, b) => b.trouble - a.trouble || a.index - b.index)
    .map((entry) => entry.pool);
  const shown = all ? ordered : ordered.slice(0, SHOWN_MAX);
  const many = filter.value ? `${count(pools.length)} of ${count(live.pools.length)}` : count(pools.length);
  const note = live.pools.length > 0 ? `${many}; rates, times and refusals: ${windowText(live)}` : many;
  return (
    <Section id="pools" title="Pools" note={note}>
      {live.pools.length === 0 && <Nothing>A pool appears with its first client.</Nothing>}
      {live.pools.length > 0 && pools.length === 0 && <Nothing>No pool fits the filter.</Nothing>}
      <ul class={pools.length === 1 ? "pools one" : "pools"}>
        {shown.map((pool) => (
          <PoolCard key={poolName(pool)} pool={pool} columns={live.columns} />
        ))}
      </ul>
      {ordered.length > SHOWN_MAX && (
        <button type="button" class="quiet" onClick={() => showAll(!all)}>
          {all ? `Show the first ${SHOWN_MAX}` : `Show all ${ordered.length} pools`}
        </button>
      )}
    </Section>
  );
}

function trouble(pool: LivePool): number {
  if (pool.trouble === "error") return 3;
  if (pool.trouble === "warning") return 2;
  return 0;
}

function PoolCard({ pool, columns }: { pool: LivePool; columns: PoolColumn[] }) {
  const worst = trouble(pool);
  const tone = worst === 3 ? "error" : worst === 2 ? "warning" : "";
  return (
    <li class={`pool ${tone}`} data-pool={poolName(pool)}>
      <div class="name">
        <h3>
          {pool.database}
          <span>/{pool.user}</span>
        </h3>
        <More of={poolName(pool)} chosen={{ kind: "pool", database: pool.database, user: pool.user }} />
        {pool.loginFailing && <strong class="badge error">logins fail</strong>}
        {pool.mode && <p>{pool.mode}</p>}
      </div>
      <div class="picture" role="img" aria-label={spoken(pool)}>
        <div class="clients">
          <b>{count(pool.clients)}</b>
          <span>{pool.clients === 1 ? "client" : "clients"}</span>
        </div>
        <Queue pool={pool} />
        <Cells pool={pool} />
        <div class={pool.loginFailing ? "database failing" : "database"}>
          <span>PostgreSQL</span>
        </div>
      </div>
      <p class="counts" aria-hidden="true">
        <span><b>{count(pool.active)}</b> active</span>
        <span><b>{count(pool.idle)}</b> idle</span>
        {pool.opening > 0 && <span><b>{count(pool.opening)}</b> opening</span>}
        <span>{pool.limit === null ? "no limit" : <>limit <b>{count(pool.limit)}</b></>}</span>
        {pool.reserveLimit > 0 && <span>reserve <b>{count(pool.reserveLimit)}</b></span>}
        {pool.waiting > 0 && (
          <span class="waiting">
            <b>{count(pool.waiting)}</b> waiting, the first for <b>{duration(pool.oldestWaitMs)}</b>
          </span>
        )}
      </p>
      <dl class="measures">
        {columns.map((column) => (
          <Measure key={column.field} name={column.label} value={figure(pool, column)} />
        ))}
      </dl>
    </li>
  );
}

function Measure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Those who wait, in front of the gate. */
function Queue({ pool }: { pool: LivePool }) {
  const dots = Math.min(pool.waiting, DOTS_MAX);
  const more = pool.waiting - dots;
  return (
    <div class={pool.waiting > 0 ? "queue" : "queue empty"}>
      {more > 0 && <span class="more">+{count(more)}</span>}
      {Array.from({ length: dots }, (_, index) => (
        <i key={index} class="dot" />
      ))}
    </div>
  );
}

type CellKind = "active" | "idle" | "opening" | "free" | "reserve";

function Cells({ pool }: { pool: LivePool }) {
  const { kinds, each } = cells(pool);
  return (
    <div class="servers">
      <div class="cells">
        {kinds.map((kind, index) => (
          <i key={index} class={`cell ${kind}`} />
        ))}
      </div>
      {each > 1 && <small>each {plural(each, "connection")}</small>}
    </div>
  );
}

/** The connections in the order: held, free, logging in, not open; several in a cell if need be. */
export function cells(pool: LivePool): { kinds: CellKind[]; each: number } {
  const open = pool.active + pool.idle + pool.opening;
  const free = pool.limit === null ? 0 : Math.max(0, pool.limit - open);
  const reserve = pool.limit === null ? 0 : pool.reserveLimit - Math.max(0, open - pool.limit);
  const parts: [CellKind, number][] = [
    ["active", pool.active],
    ["idle", pool.idle],
    ["opening", pool.opening],
    ["free", free],
    ["reserve", Math.max(0, reserve)],
  ];
  const total = parts.reduce((sum, [, many]) => sum + many, 0);
  const each = Math.max(1, Math.ceil(total / CELLS_MAX));
  const kinds: CellKind[] = [];
  let counted = 0;
  for (const [kind, many] of parts) {
    counted += many;
    // Rounded up at every border, so that a single active connection is seen.
    const upTo = Math.ceil(counted / each);
    while (kinds.length < upTo) kinds.push(kind);
  }
  return { kinds, each };
}

function spoken(pool: LivePool): string {
  const limit = pool.limit === null ? "without limit" : `of at most ${count(pool.limit)}`;
  const queue = pool.waiting > 0
    ? `${clientsWait(pool.waiting)}, the first for ${duration(pool.oldestWaitMs)}.`
    : "Nobody waits.";
  const opening = pool.opening > 0 ? `, ${count(pool.opening)} logging in` : "";
  return `${plural(pool.clients, "client")}. ${plural(pool.active, "server")} active, ${count(pool.idle)} idle${opening}, ${limit}. ${queue}`;
}
