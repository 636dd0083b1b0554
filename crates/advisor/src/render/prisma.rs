//! Prisma: URL parameters for 6 and older, which have a pool of their own, and a factory for 7, whose
//! `pg` adapter ignores them.

use super::connect::{
    address, database_url, of_kind, password_in_url, password_variable, shares_servers,
};
use super::file::{File, header};
use crate::facts::{Kind, Service};
use crate::plan::Plan;
use crate::units::{whole_ms, whole_seconds};

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let old = of_kind(plan, &[Kind::Prisma6, Kind::Serverless]).map(|service| File {
        path: format!("prisma/{}.env", service.name),
        content: environment(plan, service),
    });
    let new = of_kind(plan, &[Kind::Prisma7]).flat_map(|service| {
        [
            File {
                path: format!("prisma/{}.ts", service.name),
                content: factory(plan, service),
            },
            File {
                path: format!("prisma/{}.env", service.name),
                content: plain_environment(plan, service),
            },
        ]
    });
    old.chain(new).collect()
}

/// The query of the URL, after the `?`.
pub(super) fn parameters(plan: &Plan, service: &Service) -> String {
    let times = &service.timeouts;
    let seconds = |time: Option<_>| time.map_or(0, whole_seconds);
    let mut text = format!(
        "connection_limit={}&pool_timeout={}&connect_timeout={}&socket_timeout={}\
         &max_idle_connection_lifetime={}&max_connection_lifetime={}",
        service.pool,
        whole_seconds(times.acquire),
        whole_seconds(times.connect),
        seconds(times.socket),
        seconds(times.idle),
        seconds(times.max_lifetime),
    );
    if shares_servers(plan, service) {
        // Without it the query engine uses named prepared statements.
        text.push_str("&pgbouncer=true");
    }
    text
}

fn environment(plan: &Plan, service: &Service) -> String {
    let (host, port) = address(plan, service);
    let url = database_url(&service.user, host, port, &service.database);
    let mut text = header(plan, "prisma", "#");
    let encoded = password_in_url(&service.user);
    text.push_str(&format!(
        "# The password comes from a variable, percent-encoded; Prisma up to 6 expands it here.\n\
         DATABASE_URL=\"{}?{}\"\n",
        with_password(&url, &service.user, &encoded),
        parameters(plan, service)
    ));
    let direct = direct(plan, service);
    text.push_str(&with_password(&direct, &service.user, &encoded));
    text
}

fn plain_environment(plan: &Plan, service: &Service) -> String {
    let (host, port) = address(plan, service);
    let url = database_url(&service.user, host, port, &service.database);
    let mut text = header(plan, "prisma", "#");
    text.push_str(&format!(
        "# dotenv expands no variables, so no password stands in these URLs: the factory puts that of\n\
         # {} in. It also sets the pool, and is the only one that reads parameters in them.\n",
        password_variable(&service.user)
    ));
    text.push_str(&format!(
        "DATABASE_URL=\"{}\"\n",
        without_password(&url, &service.user)
    ));
    let direct = direct(plan, service);
    text.push_str(&without_password(&direct, &service.user));
    text
}

/// The reference to a role's password in a URL.
fn reference(user: &str) -> String {
    format!("${{{}}}", password_variable(user))
}

/// With this variable's value as the password.
fn with_password(text: &str, user: &str, variable: &str) -> String {
    text.replace(&reference(user), &format!("${{{variable}}}"))
}

fn without_password(text: &str, user: &str) -> String {
    text.replace(&format!(":{}@", reference(user)), "@")
}

/// Migrations need a session of their own: without the pooler, with one connection.
fn direct(plan: &Plan, service: &Service) -> String {
    let database = &plan.facts.database;
    let url = database_url(
        &service.user,
        &database.host,
        database.port,
        &service.database,
    );
    format!("# For migrations, without the pooler.\nDIRECT_URL=\"{url}?connection_limit=1\"\n")
}

fn factory(plan: &Plan, service: &Service) -> String {
    let times = &service.timeouts;
    let ms = |time: Option<_>| time.map_or(0, whole_ms);
    let seconds = |time: Option<_>| time.map_or(0, whole_seconds);
    format!(
        "{header}//
// Prisma 7 has no pool of its own. The pool of `pg` ignores connection_limit, pool_timeout and the
// other URL parameters of Prisma 6: this file takes them out of the URL and passes them by the names of `pg`.
import {{ PrismaPg }} from \"@prisma/adapter-pg\";

/** Settings of `pg`'s pool. Milliseconds where the name says so, and in query_timeout. */
export interface PoolSettings {{
  connectionString: string;
  application_name: string;
  /** Connections at most. */
  max: number;
  /** Wait for a connection, free or new. 0 waits forever. */
  connectionTimeoutMillis: number;
  /** Time an unused connection is kept. 0 keeps it. */
  idleTimeoutMillis: number;
  /** Age at which a connection is replaced. 0 never does. */
  maxLifetimeSeconds: number;
  /** Time a query may take, as the client sees it. 0 is no limit. */
  query_timeout: number;
  /** Whether silent connections are probed, and after how long: something on the way drops them else. */
  keepAlive: boolean;
  keepAliveInitialDelayMillis: number;
}}

/** The URL with the password of {variable}, unless it has one. In prisma.config.ts: withPassword(env(\"DIRECT_URL\")). */
export function withPassword(databaseUrl: string, password: string | undefined = process.env.{variable}): string {{
  const url = new URL(databaseUrl);
  if (url.password === \"\" && password !== undefined) {{
    url.password = encodeURIComponent(password);
  }}
  return url.toString();
}}

/** Takes the pool's parameters out of the URL; those that are missing are as planned. */
export function poolSettings(databaseUrl: string): PoolSettings {{
  const url = new URL(withPassword(databaseUrl));
  const take = (name: string, planned: number, factor: number): number => {{
    const text = url.searchParams.get(name);
    url.searchParams.delete(name);
    if (text === null) {{
      return planned;
    }}
    const value = Number(text);
    if (text.trim() === \"\" || !Number.isFinite(value) || value < 0) {{
      throw new Error(`DATABASE_URL: ${{name}} must be a number, 0 or more`);
    }}
    return value * factor;
  }};
  const max = take(\"connection_limit\", {max}, 1);
  const connectionTimeoutMillis = take(\"pool_timeout\", {acquire}, 1000);
  // `pg` has one time for both; the longer one covers the wait as well.
  take(\"connect_timeout\", 0, 1000);
  const idleTimeoutMillis = take(\"max_idle_connection_lifetime\", {idle}, 1000);
  const maxLifetimeSeconds = take(\"max_connection_lifetime\", {lifetime}, 1);
  const query_timeout = take(\"socket_timeout\", {socket}, 1000);
  url.searchParams.delete(\"pgbouncer\");
  return {{
    connectionString: url.toString(),
    application_name: {name},
    max,
    connectionTimeoutMillis,
    idleTimeoutMillis,
    maxLifetimeSeconds,
    query_timeout,
    keepAlive: true,
    keepAliveInitialDelayMillis: {keepalive},
  }};
}}

/** The adapter for `new PrismaClient({{ adapter: adapter() }})`. */
export function adapter(databaseUrl: string | undefined = process.env.DATABASE_URL): PrismaPg {{
  if (databaseUrl === undefined || databaseUrl === \"\") {{
    throw new Error(\"DATABASE_URL is not set\");
  }}
  return new PrismaPg(poolSettings(databaseUrl));
}}
",
        header = header(plan, "prisma", "//"),
        max = service.pool,
        variable = password_variable(&service.user),
        keepalive = whole_ms(plan.facts.database.timeouts.keepalives_idle),
        acquire = whole_ms(times.acquire),
        idle = ms(times.idle),
        lifetime = seconds(times.max_lifetime),
        socket = ms(times.socket),
        name = serde_json::Value::from(service.name.as_str()),
    )
}
