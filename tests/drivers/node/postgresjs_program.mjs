// postgres.js, which names its statements and sends queries without waiting for earlier ones.

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import postgres from "postgres";
import { serve, within } from "./loop.mjs";

const clients = new Map();

/** The connection, or the transaction that is open on it. */
const on = (client) => clients.get(client).transaction?.tx ?? clients.get(client).sql;

async function finish(client, how) {
  const { tx } = clients.get(client).transaction;
  clients.get(client).transaction = undefined;
  await tx.unsafe(how).simple();
  tx.release();
}

await serve({
  can: ["copy", "batch", "cursor", "listen", "cancel", "nested"],
  async open({ client }) {
    const sql = postgres(process.env.DATABASE_URL, { max: 1, onnotice: () => {}, idle_timeout: 0, fetch_types: true });
    await sql.unsafe("select 1").simple();
    clients.set(client, { sql, told: [] });
  },
  async reset() {
    await Promise.all([...clients.values()].map(({ sql }) => within(3, sql.end({ timeout: 1 })).catch(() => {})));
    clients.clear();
  },
  async drop({ client }) {
    // It closes its sockets and gives up what runs.
    await clients.get(client).sql.end({ timeout: 0 }).catch(() => {});
    clients.delete(client);
  },
  query: ({ client, sql, parameters }) => on(client).unsafe(sql, parameters, { prepare: true }).values(),
  async simple({ client, sql }) {
    const results = await on(client).unsafe(sql).simple();
    return results.flatMap((part) => (Array.isArray(part) ? [part] : [Object.values(part)]));
  },
  async begin({ client }) {
    // `sql.begin` would refuse to commit once any statement failed, so the connection is reserved.
    const entry = clients.get(client);
    entry.transaction = { tx: await entry.sql.reserve() };
    await entry.transaction.tx.unsafe("begin").simple();
  },
  commit: ({ client }) => finish(client, "commit"),
  rollback: ({ client }) => finish(client, "rollback"),
  async nested({ client, key }) {
    await on(client).begin(async (tx) => {
      await tx`insert into account values (${key}, 'outer')`;
      await tx.savepoint((inner) => inner`insert into account values (${key}, 'inner')`).catch((error) => {
        if (error.code !== "23505") throw error;
      });
      await tx`update account set name = name || '!' where id = ${key}`;
    });
    return on(client)`select name from account where id = ${key}`.values();
  },
  async batch({ client, statements }) {
    const all = statements.map(([sql, parameters]) => on(client).unsafe(sql, parameters, { prepare: true }).values());
    const done = await Promise.allSettled(all);
    const failed = done.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
    return done.map((one) => one.value);
  },
  cursor({ client, sql, size }) {
    clients.get(client).cursor = on(client).unsafe(sql).cursor(size)[Symbol.asyncIterator]();
  },
  async fetch({ client }) {
    const { value, done } = await clients.get(client).cursor.next();
    return done ? [] : value.map((row) => Object.values(row));
  },
  async copy_in({ client, sql, data }) {
    await pipeline(Readable.from([data]), await on(client).unsafe(sql).writable());
  },
  async copy_out({ client, sql }) {
    let data = "";
    for await (const part of await on(client).unsafe(sql).readable()) data += part;
    return data;
  },
  async listen({ client, channel }) {
    // It opens a connection of its own for this.
    const entry = clients.get(client);
    entry.listener = await entry.sql.listen(channel, (payload) => {
      entry.told.push([channel, payload]);
      entry.heard?.();
    });
  },
  unlisten: ({ client }) => clients.get(client).listener.unlisten(),
  async notification({ client }) {
    const entry = clients.get(client);
    if (!entry.told.length) await within(5, new Promise((resolve) => (entry.heard = resolve)));
    return entry.told.shift();
  },
  start({ client, sql }) {
    const query = on(client).unsafe(sql);
    clients.get(client).running = { query, outcome: query.then(() => "done", (error) => error) };
  },
  cancel: ({ client }) => {
    clients.get(client).running.query.cancel();
  },
  async wait({ client }) {
    const outcome = await within(8, clients.get(client).running.outcome);
    if (outcome instanceof Error) throw outcome;
    return outcome;
  },
});
