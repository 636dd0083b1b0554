// Prisma 7 with its adapter for pg: a client with one connection each. `named` has the adapter name its statements.

import { createRequire } from "node:module";
import { PrismaPg } from "@prisma/adapter-pg";
import { opened, serve, within } from "./loop.mjs";

const { PrismaClient } = createRequire(import.meta.url)("./node_modules/.prisma-of-cases");
const NAMED = process.argv[2] === "named";
const clients = new Map();

const on = (client) => clients.get(client).transaction?.tx ?? clients.get(client).prisma;

/** Rows as arrays. Statements that give no rows go another way in Prisma. */
async function rows(client, sql, parameters) {
  if (!/^(select|show|fetch|execute)/i.test(sql)) {
    await on(client).$executeRawUnsafe(sql, ...parameters);
    return [];
  }
  const found = await on(client).$queryRawUnsafe(sql, ...parameters);
  return found.map((row) => Object.values(row).map((value) => (typeof value === "object" ? JSON.stringify(value) : value)));
}

async function finish(client, commit) {
  const { transaction } = clients.get(client);
  clients.get(client).transaction = undefined;
  await transaction.finish(commit);
}

await serve({
  can: ["objects", "batch"],
  async open({ client }) {
    const names = new Map();
    const adapter = new PrismaPg(
      { connectionString: process.env.DATABASE_URL, max: 1 },
      NAMED
        ? {
            statementNameGenerator: ({ sql }) => {
              if (!names.has(sql)) names.set(sql, `statement ${names.size}`);
              return names.get(sql);
            },
          }
        : undefined,
    );
    const prisma = new PrismaClient({ adapter });
    await prisma.$connect();
    clients.set(client, { prisma });
  },
  async reset() {
    await Promise.all(
      [...clients].map(async ([client, { prisma, transaction }]) => {
        if (transaction) await within(2, finish(client, false)).catch(() => {});
        await within(2, prisma.$disconnect()).catch(() => {});
      }),
    );
    clients.clear();
  },
  drop: ({ client }) => {
    // Without a word about the transaction.
    clients.delete(client);
  },
  query: ({ client, sql, parameters }) => rows(client, sql, parameters),
  async simple({ client, sql }) {
    let last = [];
    for (const part of sql.split("; ")) last = await rows(client, part, []);
    return last;
  },
  async begin({ client }) {
    const entry = clients.get(client);
    entry.transaction = await opened((work) => entry.prisma.$transaction(work, { timeout: 60_000, maxWait: 5_000 }));
  },
  commit: ({ client }) => finish(client, true),
  rollback: ({ client }) => finish(client, false),
  async batch({ client, statements }) {
    const prisma = on(client);
    const done = await prisma.$transaction(
      statements.map(([sql, parameters]) =>
        sql.startsWith("select") ? prisma.$queryRawUnsafe(sql, ...parameters) : prisma.$executeRawUnsafe(sql, ...parameters),
      ),
    );
    return done.map((part) => (Array.isArray(part) ? part.map((row) => Object.values(row)) : part));
  },
  async objects({ client, key }) {
    const { account } = on(client);
    await account.create({ data: { id: key, name: "created" } });
    const found = await account.findUnique({ where: { id: key } });
    await account.update({ where: { id: key }, data: { name: `${found.name}, changed` } });
    const changed = await account.findMany({ where: { id: { in: [key, 1] } }, orderBy: { id: "asc" } });
    await account.delete({ where: { id: key } });
    return [...changed.map(({ id, name }) => [id, name]), await account.count({ where: { id: key } })];
  },
});
