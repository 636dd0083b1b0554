// What an application with Prisma sends through its own pool of ten: findMany with include is two statements
// with IN, a nested write is a transaction, and each request takes whichever connection is free.
// argv: URL, seconds, requests at once, loop (1: an N+1).
import pg from "pg";

const [url, seconds, atOnce, loops] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: 10 });
let requests = 0;
let statements = 0;

async function ask(client, name, text, values) {
  statements += 1;
  const result = await client.query(values ? { name, text, values } : text);
  return result.rows;
}

async function inTransaction(run) {
  const client = await pool.connect();
  try {
    await ask(client, "", "BEGIN");
    await run(client);
    await ask(client, "", "COMMIT");
  } finally {
    client.release();
  }
}

async function request() {
  requests += 1;
  const id = 1 + Math.floor(Math.random() * 100_000);
  await ask(pool, "one", 'SELECT "id", "balance" FROM "accounts" WHERE ("id" = $1 AND 1=1) LIMIT 1 OFFSET 0', [id]);
  const many = await ask(pool, "many", 'SELECT "id" FROM "accounts" WHERE "id" > $1 ORDER BY "id" LIMIT 20', [id]);
  const ids = many.map((row) => row.id);
  if (Number(loops)) {
    await inTransaction(async (client) => {
      for (const one of ids) await ask(client, "of", 'SELECT "delta" FROM "history" WHERE "account" = $1', [one]);
    });
  } else if (ids.length > 0) {
    await ask(pool, "in", 'SELECT "account", "delta" FROM "history" WHERE "account" = ANY($1)', [ids]);
  }
  if (requests % 4 === 0) {
    await inTransaction(async (client) => {
      await ask(client, "update", 'UPDATE "accounts" SET "balance" = "balance" + $1 WHERE "id" = $2', [0, id]);
      await ask(client, "insert", 'INSERT INTO "history" ("account", "delta") VALUES ($1, $2)', [id, 0]);
    });
  }
  await new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * 8));
}

const end = Date.now() + 1000 * Number(seconds);
await Promise.all(
  Array.from({ length: Number(atOnce) }, async () => {
    while (Date.now() < end) await request();
  }),
);
await pool.end();
console.log(JSON.stringify({ requests, statements }));
