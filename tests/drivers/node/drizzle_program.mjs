// Drizzle with pg: statements are prepared with names, which count up for each client.

import { eq, inArray, sql as raw } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import pg from "pg";
import { opened, serve, within } from "./loop.mjs";

const account = pgTable("account", { id: integer().primaryKey(), name: text().notNull() });
const clients = new Map();

const on = (client) => clients.get(client).transaction?.tx ?? clients.get(client).db;

/** A statement of Drizzle's, with the values in its place. */
function statement(sql, parameters) {
  const parts = sql.split(/\$\d+/);
  return raw.join(parts.flatMap((part, index) => (index ? [raw.param(parameters[index - 1]), raw.raw(part)] : [raw.raw(part)])));
}

async function rows({ client, sql, parameters }) {
  const results = [await on(client).execute(parameters ? statement(sql, parameters) : raw.raw(sql))].flat();
  return results.flatMap((result) => result.rows.map((row) => Object.values(row)));
}

async function finish(client, commit) {
  const { transaction } = clients.get(client);
  clients.get(client).transaction = undefined;
  await transaction.finish(commit);
}

await serve({
  can: ["objects", "nested"],
  async open({ client }) {
    const connection = new pg.Client({ connectionString: process.env.DATABASE_URL });
    connection.on("error", () => {});
    await connection.connect();
    const db = drizzle({ client: connection });
    const count = db.select({ n: raw`count(*)` }).from(account).where(eq(account.id, raw.placeholder("id"))).prepare("counted");
    clients.set(client, { connection, db, count });
  },
  async reset() {
    await Promise.all([...clients.values()].map(({ connection }) => within(2, connection.end()).catch(() => {})));
    clients.clear();
  },
  drop({ client }) {
    clients.get(client).connection.connection.stream.destroy();
    clients.delete(client);
  },
  query: rows,
  simple: rows,
  async begin({ client }) {
    const entry = clients.get(client);
    entry.transaction = await opened((work) => entry.db.transaction(work));
  },
  commit: ({ client }) => finish(client, true),
  rollback: ({ client }) => finish(client, false),
  async objects({ client, key }) {
    const { db, count } = clients.get(client);
    await db.insert(account).values({ id: key, name: "created" });
    await db.update(account).set({ name: "created, changed" }).where(eq(account.id, key));
    const found = await db.select().from(account).where(inArray(account.id, [key, 1])).orderBy(account.id);
    const before = await count.execute({ id: key });
    await db.delete(account).where(eq(account.id, key));
    return [found.map(({ id, name }) => [id, name]), before, await count.execute({ id: key })];
  },
  async nested({ client, key }) {
    const { db } = clients.get(client);
    await db.transaction(async (tx) => {
      await tx.insert(account).values({ id: key, name: "outer" });
      await tx
        .transaction((inner) => inner.insert(account).values({ id: key, name: "inner" }))
        .catch((error) => {
          if ((error.cause ?? error).code !== "23505") throw error;
        });
      await tx.update(account).set({ name: "outer!" }).where(eq(account.id, key));
    });
    return db.select().from(account).where(eq(account.id, key));
  },
});
