// The loop of a driver's program: requests on standard input, answers on standard output. ../README.md lists them.

import { createInterface } from "node:readline";

/** The SQLSTATE, also where the driver wraps an error in its own. */
function sqlstate(error) {
  for (let depth = 0; error && depth < 6; depth += 1) {
    const state = error.meta?.driverAdapterError?.cause?.originalCode ?? error.meta?.code ?? error.code;
    if (/^[0-9A-Z]{5}$/.test(state ?? "") && !/^P\d{4}$/.test(state)) return state;
    error = error.cause ?? error.original ?? error.parent;
  }
  return null;
}

async function answer(driver, request) {
  try {
    return { result: (await driver[request.op](request)) ?? null };
  } catch (error) {
    return { error: sqlstate(error) ?? error.name ?? "Error", message: String(error.message ?? error).slice(0, 300) };
  }
}

const text = (_key, value) => (typeof value === "bigint" ? String(value) : value);

/** Answers requests in turn. `start` only begins something, for `wait`. */
export async function serve(driver) {
  const running = new Map();
  driver.hello = () => driver.can;
  driver.start ??= (request) => {
    running.set(request.client, answer(driver, { ...request, op: "simple" }));
  };
  driver.wait ??= async ({ client }) => {
    const outcome = await running.get(client);
    if (outcome.error) throw Object.assign(new Error(outcome.message), { code: outcome.error });
    return outcome.result;
  };
  // A connection that breaks while nobody asks it anything is not the program's end.
  process.on("uncaughtException", (error) => console.error("later:", error.message));
  process.on("unhandledRejection", (error) => console.error("later:", error?.message));
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(driver, JSON.parse(line)), text) + "\n");
  }
  process.exit(0);
}

/** Waits for a promise, for a number of seconds at most. */
export function within(seconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing in ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A transaction that a driver runs in a callback, as something that can be begun and ended. */
export function opened(run) {
  return new Promise((resolve, reject) => {
    let end;
    const ended = new Promise((done, fail) => {
      end = (commit) => (commit ? done() : fail(new Error("roll back")));
    });
    const over = run(async (tx) => {
      resolve({ tx, finish });
      await ended;
    });
    async function finish(commit) {
      end(commit);
      await over.catch((error) => {
        if (commit || error.message !== "roll back") throw error;
      });
    }
    over.catch(reject);
  });
}
