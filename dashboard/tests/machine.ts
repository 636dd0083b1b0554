// A real PostgreSQL and a real pgweir for one test, and load on them.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const PGWEIR = process.env.PGWEIR ?? join(import.meta.dirname, "../../target/debug/pgweir");

/** As whom PostgreSQL runs: it refuses root. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

function binaries(): string {
  if (process.env.PGWEIR_POSTGRES_BIN) return process.env.PGWEIR_POSTGRES_BIN;
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(root, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
  if (!found) throw new Error("no PostgreSQL: install it, or set PGWEIR_POSTGRES_BIN");
  return found;
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function eventually(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`in vain for 20 s: ${what}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once("exit", resolve));
}

export class Machine {
  private constructor(
    private readonly folder: string,
    private readonly postgres: ChildProcess,
    private readonly pooler: ChildProcess,
    private readonly port: number,
    /** Of the page. */
    readonly url: string,
  ) {}

  private loads: ChildProcess[] = [];

  /** Starts both; the pool has `poolSize` connections. `settings` go into `[pgweir]`. */
  static async start(poolSize: number, settings = ""): Promise<Machine> {
    const bin = binaries();
    const folder = mkdtempSync("/tmp/pgweir-page-");
    const as = account();
    if (as.uid !== undefined && as.gid !== undefined) chownSync(folder, as.uid, as.gid);
    const data = join(folder, "data");
    execFileSync(join(bin, "initdb"), ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync"], { ...as, stdio: "ignore", cwd: folder });
    const [databasePort, port, http] = [await freePort(), await freePort(), await freePort()];
    const postgres = spawn(
      join(bin, "postgres"),
      ["-D", data, "-p", String(databasePort), "-k", folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
      { ...as, stdio: "ignore", cwd: folder },
    );
    const config = join(folder, "pgweir.toml");
    writeFileSync(
      config,
      `[pgweir]
listen_port = ${port}
auth_type = "trust"
pool_mode = "transaction"
default_pool_size = ${poolSize}
http_listen = "127.0.0.1:${http}"
${settings}
[databases.postgres]
host = "127.0.0.1"
port = ${databasePort}
[users.postgres]
password = ""
`,
    );
    const log = join(folder, "log");
    const pooler = spawn("sh", ["-c", 'exec "$0" serve "$1" 2>"$2"', PGWEIR, config, log], { stdio: "ignore" });
    const machine = new Machine(folder, postgres, pooler, port, `http://127.0.0.1:${http}/`);
    await eventually("pgweir listens", () => {
      if (pooler.exitCode !== null) throw new Error(readFileSync(log, "utf8"));
      return existsSync(log) && readFileSync(log, "utf8").includes("listening on");
    });
    await eventually("PostgreSQL answers", () => {
      try {
        machine.query("SELECT 1");
        return true;
      } catch {
        return false;
      }
    });
    return machine;
  }

  private client(): string[] {
    return ["-h", "127.0.0.1", "-p", String(this.port), "-U", "postgres"];
  }

  /** Runs a statement through the pooler. */
  query(sql: string): void {
    execFileSync("psql", ["-X", "-q", ...this.client(), "-c", sql, "postgres"], { stdio: "ignore" });
  }

  /** Has so many clients run a script over and over, until the machine or the load is stopped. */
  load(clients: number, script: string): ChildProcess {
    const file = join(this.folder, `load-${this.loads.length}.sql`);
    writeFileSync(file, script);
    const child = spawn("pgbench", ["-n", "-c", String(clients), "-T", "600", "-f", file, ...this.client(), "postgres"], { stdio: "ignore" });
    this.loads.push(child);
    return child;
  }

  async end(load: ChildProcess): Promise<void> {
    load.kill("SIGKILL");
    await ended(load);
  }

  /** PostgreSQL does not answer any more, nor again. */
  async killPostgres(): Promise<void> {
    this.postgres.kill("SIGQUIT");
    await ended(this.postgres);
  }

  async stop(): Promise<void> {
    for (const load of this.loads) await this.end(load);
    this.pooler.kill("SIGKILL");
    await ended(this.pooler);
    await this.killPostgres();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
