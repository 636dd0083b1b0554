// node-postgres. Every statement has a name, which counts up for each client; `unnamed` gives them none.

import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import Cursor from "pg-cursor";
import { serve, within } from "./loop.mjs";

const NAMED = process.argv[2] !== "unnamed";
const clients = new Map();

async function rows(client, query) {
  const results = [await client.query(query)].flat();
  return results.flatMap((result) => result.rows);
}

const simple = ({ client, sql }) => rows(clients.get(client).pg, { text: sql, rowMode: "array" });

await serve({
  can: ["copy", "copy_failed", "batch", "cursor", "listen", "cancel"],
  async open({ client }) {
    const connection = new pg.Client({ connectionString: process.env.DATABASE_URL });
    connection.on("error", () => {});
    await connection.connect();
    const told = [];
    connection.on("notification", (message) => told.push(message));
    clients.set(client, { pg: connection, names: new Map(), told });
  },
  async reset() {
    await Promise.all([...clients.values()].map((client) => within(2, client.pg.end()).catch(() => {})));
    clients.clear();
  },
  drop({ client }) {
    clients.get(client).pg.connection.stream.destroy();
    clients.delete(client);
  },
  query({ client, sql, parameters }) {
    const { pg: connection, names } = clients.get(client);
    if (!names.has(sql)) names.set(sql, `statement ${names.size}`);
    const name = NAMED ? names.get(sql) : undefined;
    return rows(connection, { name, text: sql, values: parameters, rowMode: "array" });
  },
  simple,
  begin: ({ client }) => simple({ client, sql: "begin" }),
  commit: ({ client }) => simple({ client, sql: "commit" }),
  rollback: ({ client }) => simple({ client, sql: "rollback" }),
  async batch({ client, statements }) {
    // Queries that are sent before the answers of earlier ones.
    const all = statements.map(([sql, parameters]) => this.query({ client, sql, parameters }));
    const done = await Promise.allSettled(all);
    const failed = done.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
    return done.map((one) => one.value);
  },
  cursor({ client, sql, size }) {
    const entry = clients.get(client);
    entry.cursor = entry.pg.query(new Cursor(sql, [], { rowMode: "array" }));
    entry.size = size;
  },
  async fetch({ client }) {
    const { cursor, size } = clients.get(client);
    const part = await cursor.read(size);
    if (part.length < size) await cursor.close();
    return part;
  },
  async copy_in({ client, sql, data }) {
    await pipeline(Readable.from([data]), clients.get(client).pg.query(copyFrom(sql)));
  },
  async copy_out({ client, sql }) {
    let data = "";
    for await (const part of clients.get(client).pg.query(copyTo(sql))) data += part;
    return data;
  },
  listen: ({ client, channel }) => simple({ client, sql: `listen ${channel}` }),
  unlisten: ({ client, channel }) => simple({ client, sql: `unlisten ${channel}` }),
  async notification({ client }) {
    const { pg: connection, told } = clients.get(client);
    if (!told.length) await within(5, once(connection, "notification"));
    const { channel, payload } = told.shift();
    return [channel, payload];
  },
  async cancel({ client }) {
    // The driver has no method for a query that runs; this is what it would send.
    const { processID, secretKey, host, port } = clients.get(client).pg;
    const sender = new pg.Connection({});
    sender.connect(port, host);
    await once(sender, "connect");
    sender.cancel(processID, secretKey);
    await once(sender, "end");
  },
});
