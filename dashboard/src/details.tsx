import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Live, LiveHolder, TopStatement } from "./document";
import { bytes, count, duration, moment, rate } from "./format";
import { More } from "./more";
import { causeName, poolName, windowText } from "./names";
import { Nothing } from "./section";
import { Chart } from "./sections/charts";
import { COLUMNS as HOLDERS } from "./sections/holders";
import { COLUMNS as LOOPS } from "./sections/n-plus-one";
import { COLUMNS as SLOW } from "./sections/slow";
import { columns as statementColumns } from "./sections/statements";
import { Who } from "./sql";
import { chosen, live, type Chosen } from "./store";
import { Table, type Column } from "./table";
import { clientTrail, perSecond, poolTrail, statementTrail } from "./trail";

/** More of a pool, a client or a statement: history, callers, waits. */
export function Details() {
  const dialog = useRef<HTMLDialogElement>(null);
  const what = chosen.value;
  const document = live.value;
  useEffect(() => {
    if (what && !dialog.current?.open) dialog.current?.showModal();
  }, [what]);
  return (
    <dialog ref={dialog} class="details" aria-labelledby="details-title" onClose={() => (chosen.value = undefined)}>
      {what && document && <Shown what={what} live={document} />}
      <form method="dialog">
        <button type="submit" onClick={(event) => { event.preventDefault(); dialog.current?.close(); }}>Close</button>
      </form>
    </dialog>
  );
}

function Shown({ what, live }: { what: Chosen; live: Live }) {
  switch (what.kind) {
    case "pool":
      return <Pool key={`${what.database}/${what.user}`} of={what} live={live} />;
    case "client":
      return <Client key={what.client} client={what.client} live={live} />;
    case "statement":
      return <Statement key={what.fingerprint} of={what} live={live} />;
  }
}

function Pool({ of, live }: { of: { database: string; user: string }; live: Live }) {
  const isHere = (one: { database: string; user: string }) => one.database === of.database && one.user === of.user;
  const pool = live.pools.find(isHere);
  const trail = poolTrail(of.database, of.user);
  const holders = live.holders?.filter(isHere) ?? [];
  const waiters = live.waiters?.filter(isHere) ?? [];
  const statements = live.statements?.filter(isHere) ?? [];
  const whole = live.statements?.reduce((sum, one) => sum + one.totalMs, 0) ?? 0;
  const hint = live.waits?.find((cause) => cause.cause === pool?.cause)?.hint;
  return (
    <>
      <h2 id="details-title">Pool {poolName(of)}</h2>
      {!pool ? (
        <Nothing>It is gone, or one of those that are summed up.</Nothing>
      ) : (
        <Facts
          of={[
            ["Mode", pool.mode],
            ["Clients", count(pool.clients)],
            ["Servers", `${count(pool.active)} held, ${count(pool.idle)} free, of ${pool.limit === null ? "any number" : count(pool.limit)}`],
            ["Waiting", pool.waiting > 0 ? `${count(pool.waiting)}, the first for ${duration(pool.oldestWaitMs)}` : "nobody"],
            ["Cause", pool.cause && causeName(pool.cause)],
            ["What to do", pool.cause && hint],
            ["Logins fail", pool.loginFailure],
            [`Wait, ${windowText(live)}`, `p50 ${duration(pool.waitMs.p50)}, p99 ${duration(pool.waitMs.p99)}`],
            [`Transactions, ${windowText(live)}`, `${rate(pool.transactionsPerSecond)} per second, p99 ${duration(pool.transactionMs.p99)}`],
            [`Refused, ${windowText(live)}`, count(pool.refused)],
            [`Errors, ${windowText(live)}`, count(pool.errors)],
          ]}
        />
      )}
      <Part title="Since this page was opened">
        {trail && trail.seconds.length > 1 ? (
          <div class="charts two">
            <Chart
              title="Servers in use, and waiters"
              seconds={trail.seconds}
              series={[
                { name: "in use", values: trail.active, colour: "--blue", filled: true },
                { name: "waiting", values: trail.waiting, colour: "--amber" },
              ]}
              show={count}
              whole
            />
            <Chart
              title={`Transactions per second, ${windowText(live)}`}
              seconds={trail.seconds}
              series={[{ name: "transactions", values: trail.transactionsPerSecond, colour: "--blue", filled: true }]}
              show={rate}
            />
          </div>
        ) : (
          <Nothing>It begins now.</Nothing>
        )}
      </Part>
      <Part title="Who holds its servers">
        <Rows caption="Holders of the pool" columns={HOLDERS} rows={holders} none="Nobody for longer than a moment." />
      </Part>
      <Part title="Who waits for one">
        <Rows
          caption="Waiters of the pool"
          columns={[
            { name: "Client", wide: true, show: (one) => <><Who {...one} /> {one.client}</> },
            { name: "Waits", numeric: true, show: (one) => duration(one.waitedMs) },
            { name: "For", show: (one) => one.cause && causeName(one.cause) },
          ]}
          rows={waiters}
          none="Nobody for longer than a moment."
        />
      </Part>
      <Part title="Its statements, since the start">
        <Rows caption="Statements of the pool" columns={statementColumns(whole)} rows={statements} none="None among the costliest." />
      </Part>
      <Part title="Its slow queries">
        <Rows caption="Slow queries of the pool" columns={SLOW} rows={live.slow?.filter(isHere) ?? []} none="None lately." />
      </Part>
    </>
  );
}

function Client({ client, live }: { client: string; live: Live }) {
  const holder = live.holders?.find((one) => one.client === client);
  const waiter = live.waiters?.find((one) => one.client === client);
  const known = holder ?? waiter;
  const steps = clientTrail(client);
  const slow = live.slow?.filter((one) => one.client === client) ?? [];
  const loops = live.nPlusOne?.filter((one) => one.client === client) ?? [];
  return (
    <>
      <h2 id="details-title">Client {client}</h2>
      {known ? (
        <Facts
          of={[
            ["Pool", poolName(known)],
            ["Application", known.applicationName],
            ["Address", known.address ?? "unix socket"],
            ["Does", waiter ? `waits for a server since ${duration(waiter.waitedMs)}` : holder && `${holder.state} for ${duration(holder.sinceMs)}`],
            ["Waits for", waiter?.cause && causeName(waiter.cause)],
            ["Holds its server", holder && `for ${duration(holder.heldMs)}, process ${holder.serverPid ?? "not known"}`],
            ["Kept by", holder?.pin && [holder.pin, holder.pinText].filter(Boolean).join(", by ")],
            ["Behind it", holder && behind(holder)],
            ["Last statement", holder?.lastText],
          ]}
        />
      ) : (
        <Nothing>It neither holds a server for longer than a moment nor waits for one now.</Nothing>
      )}
      <Part title="What it did since this page was opened">
        {steps.length === 0 ? (
          <Nothing>Nothing that took longer than a moment.</Nothing>
        ) : (
          <ul class="steps">
            {[...steps].reverse().map((step) => (
              <li key={step.at}><time dateTime={step.at}>{moment(step.at)}</time> {step.state}</li>
            ))}
          </ul>
        )}
      </Part>
      <Part title="Its slow queries">
        <Rows caption="Slow queries of the client" columns={SLOW} rows={slow} none="None of which it ran the latest." />
      </Part>
      <Part title="Its queries in loops">
        <Rows caption="Loops of the client" columns={LOOPS} rows={loops} none="None of which it ran the latest." />
      </Part>
    </>
  );
}

function behind(holder: LiveHolder): string {
  const locks = holder.lockWaiters > 0 ? `, ${count(holder.lockWaiters)} wait for its locks` : "";
  return `${count(holder.waitersBehind)} wait for a server of its pool${locks}`;
}

interface Caller {
  application: string;
  what: string;
  client: string;
}

function Statement({ of, live }: { of: { database: string; user: string; fingerprint: string }; live: Live }) {
  const isIt = (one: { database: string; user: string; fingerprint: string }) =>
    one.fingerprint === of.fingerprint && one.database === of.database && one.user === of.user;
  const top: TopStatement | undefined = live.statements?.find(isIt);
  const slow = live.slow?.filter(isIt) ?? [];
  const loops = live.nPlusOne?.filter(isIt) ?? [];
  const text = top?.text ?? slow[0]?.text ?? loops[0]?.text ?? "";
  const now = live.holders?.filter((one) => poolName(one) === poolName(of) && one.lastText === text) ?? [];
  const callers: Caller[] = [
    ...now.map((one) => ({ application: one.applicationName, what: `${one.state} for ${duration(one.sinceMs)} with it`, client: one.client })),
    ...slow.map((one) => ({ application: one.applicationName, what: `slow ${count(one.times)} times, last ${moment(one.at)}`, client: one.client })),
    ...loops.map((one) => ({ application: one.applicationName, what: `in a loop, ${count(one.found)} times found, last ${moment(one.at)}`, client: one.client })),
  ];
  const trail = statementTrail(of.database, of.user, of.fingerprint);
  const calls = trail && perSecond(trail.seconds, trail.calls);
  const busy = trail && perSecond(trail.seconds, trail.totalMs);
  return (
    <>
      <h2 id="details-title">Statement {of.fingerprint}</h2>
      <pre class="sql-whole"><code>{text.trim() || "(text not kept)"}</code></pre>
      <Facts
        of={[
          ["Pool", poolName(of)],
          ["Calls, since the start", top && `${count(top.calls)}, ${count(top.errors)} failed`],
          ["Time, since the start", top && `${duration(top.totalMs)}; mean ${duration(top.meanMs)}, p99 ${duration(top.p99Ms)}, worst ${duration(top.maxMs)}`],
          ["Answers, since the start", top && `${count(top.rows)} rows, ${bytes(top.bytes)}`],
          ["Waited for a server", slow[0] && `${duration(slow[0].waitMs)} before the latest slow one`],
        ]}
      />
      <Part title="Since this page was opened">
        {trail && calls && busy && trail.seconds.length > 1 ? (
          <div class="charts two">
            <Chart
              title="Calls per second"
              seconds={trail.seconds}
              series={[{ name: "calls", values: calls, colour: "--blue", filled: true }]}
              show={rate}
            />
            <Chart
              title="Time per call"
              seconds={trail.seconds}
              series={[{ name: "time", values: calls.map((many, at) => (many ? (busy[at] ?? 0) / many : null)), colour: "--violet", filled: true }]}
              show={duration}
            />
          </div>
        ) : (
          <Nothing>It is not among the costliest, or it begins now.</Nothing>
        )}
      </Part>
      <Part title="Callers">
        <Rows
          caption="Callers of the statement"
          columns={[
            { name: "Application", show: (one: Caller) => one.application || "without a name" },
            { name: "What", wide: true, show: (one: Caller) => one.what },
            { name: "Client", show: (one: Caller) => <>{one.client} <More of={`client ${one.client}`} chosen={{ kind: "client", client: one.client }} /></> },
          ]}
          rows={callers}
          none="Known are those that run it now, ran it slowly or in a loop: none."
        />
      </Part>
    </>
  );
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <>
      <h3>{title}</h3>
      {children}
    </>
  );
}

/** Names and values, those that are known. */
function Facts({ of }: { of: [string, string | null | undefined | false | 0][] }) {
  return (
    <dl class="facts-of">
      {of.filter(([, value]) => value).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Rows<Row>({ caption, columns, rows, none }: { caption: string; columns: Column<Row>[]; rows: Row[]; none: string }) {
  if (rows.length === 0) return <Nothing>{none}</Nothing>;
  return <Table caption={caption} columns={columns} rows={rows} rowKey={(_, index) => index} shown={6} />;
}
