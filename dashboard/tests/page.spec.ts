// What the page makes of a document, whichever.

import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Page } from "@playwright/test";
import { join } from "node:path";
import { FeedServer } from "./feed-server";
import type { Alarm } from "../src/document";
import { alarm, bare, busy, calm, headline, pool } from "./sample";

// Those of the manual are drawn on purpose only: fonts differ between machines.
const IMAGES = process.env.IMAGES ?? join(import.meta.dirname, "../../target/dashboard-tests/images");

let feed: FeedServer;
let complaints: string[];

test.beforeEach(async ({ page }) => {
  feed = await FeedServer.start();
  complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
});

test.afterEach(async () => {
  await feed.stop();
});

/** What stands out at the right, where the whole page would have to be scrolled for it. */
async function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const all = [...document.querySelectorAll("body *")];
    const out = all.filter((element) => element.getBoundingClientRect().right > clientWidth);
    return [`${scrollWidth - clientWidth} px`, ...out.map((element) => `${element.tagName}.${element.className}`)];
  });
}

async function open(page: Page, make = busy): Promise<void> {
  feed.show(make);
  await page.goto(feed.url);
  await expect(page.getByTestId("verdict")).toBeVisible();
}

test("every section of a full document is there", async ({ page }) => {
  await open(page);
  for (const title of ["Pools", "The last 15 minutes", "Why clients wait", "Who holds servers", "Top statements", "Slow queries", "Queries in loops (N+1)", "PostgreSQL’s sessions", "Events", "Workers", "Errors sent by pgweir"]) {
    await expect(page.getByRole("heading", { name: title, exact: true })).toBeVisible();
  }
  await expect(page.getByTestId("verdict")).toHaveText("8 clients wait in 1 of 4 pools, the first for 2.3 s.");
  await expect(page.locator("[data-pool='shop/web'] .cell.active")).toHaveCount(20);
  await expect(page.locator("[data-pool='shop/web'] .dot")).toHaveCount(8);
  await expect(page.locator("[data-pool='shop/jobs'] .cell.reserve")).toHaveCount(3);
  await expect(page.locator("[data-pool='ledger/api'] .cell")).toHaveCount(40);
  await expect(page.locator("canvas")).toHaveCount(4);
  await expect(page.getByText("1 probable leak")).toBeVisible();
  await expect(page.getByText("db1.internal:5432", { exact: true })).toBeVisible();
  await expect(page.getByText(/hidden from the probe: GRANT pg_monitor/)).toHaveCount(1);
  const loop = page.getByRole("table", { name: "Queries in loops" }).getByRole("row").nth(1);
  await expect(loop).toContainText("51×2", { useInnerText: false });
  expect(complaints).toEqual([]);
});

test("what is not known is said to be so", async ({ page }) => {
  await open(page, bare);
  await expect(page.getByText(/^Not reported:/)).toHaveCount(6);
  await expect(page.getByTestId("verdict")).toHaveText("All is well. 4 pools serve 471 clients; nobody waits.");
  await expect(page.getByTestId("alarms")).toHaveCount(0);
  expect(complaints).toEqual([]);
});

test("a PostgreSQL that is not seen says why", async ({ page }) => {
  await open(page, () => ({
    ...calm(),
    postgres: [{ server: "a:1", sight: "away", cores: null }, { server: "b:1", sight: "no_user", cores: null }, { server: "c:1", sight: "off", cores: null }],
  }));
  for (const why of [/has not answered the probe/, /nobody to ask it as/, /probe_interval is 0/]) {
    await expect(page.getByText(why)).toBeVisible();
  }
  await expect(page.locator(".stack")).toHaveCount(0);
});

test("it goes on by itself, and stands still when it is held", async ({ page }) => {
  let ticks = 0;
  await open(page, () => ({ ...calm(), clients: 100 + ticks++ }));
  const clients = page.locator(".figures > div", { hasText: "Clients" }).locator("b");
  const first = await clients.textContent();
  await expect(clients).not.toHaveText(first ?? "");
  await page.keyboard.press("h");
  await expect(page.getByTestId("state")).toHaveText("Held");
  const held = (await clients.textContent()) ?? "";
  await page.waitForTimeout(2_200);
  await expect(clients).toHaveText(held);
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(clients).not.toHaveText(held);
});

test("the filter leaves what fits, with the keyboard alone", async ({ page }) => {
  await open(page);
  await page.keyboard.press("/");
  await page.keyboard.type("reports metabase");
  await expect(page.locator("[data-pool]")).toHaveCount(1);
  await expect(page.locator("#pools .heading p")).toHaveText(/^1 of 4;/);
  await expect(page.getByText("No holder fits the filter.")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.locator("[data-pool]")).toHaveCount(4);
});

test("a column that is chosen sorts the statements", async ({ page }) => {
  await open(page);
  const first = page.getByRole("table", { name: "Statements" }).getByRole("row").nth(1);
  await expect(first).toContainText("FROM orders o JOIN");
  await page.getByRole("button", { name: "Calls" }).press("Enter");
  await expect(first).toContainText("order_items");
  await expect(page.getByRole("columnheader", { name: "Calls" })).toHaveAttribute("aria-sort", "descending");
});

test("alarms come, say what to do, and go", async ({ page }) => {
  await open(page, calm);
  const alarms = page.getByTestId("alarms");
  await expect(alarms).toHaveCount(0);
  const cases: Alarm[] = [
    alarm({ key: "waiting shop/web", what: "shop/web: 6 clients wait, the first for 800 ms", next: "More than 5 have for 30 s.", section: "holders" }),
    alarm({ key: "login ledger/api", severity: "error", what: "ledger/api: logins to PostgreSQL fail", next: "The log has the reason." }),
    // A section that this page does not have leads nowhere.
    alarm({ key: "novel", what: "Something new", next: "Look.", section: "novel" }),
  ];
  for (const one of cases) {
    feed.show(() => ({ ...calm(), alarms: [one] }));
    const shown = alarms.locator(`[data-alarm='${one.key}']`);
    await expect(shown).toContainText(`${one.what} ${one.next}`);
    await expect(shown).toHaveClass(one.severity);
    await expect(shown.getByRole("link")).toHaveCount(one.section === "holders" ? 1 : 0);
    await expect(page.getByRole("status")).toHaveText(`Alarm: ${one.key}`);
    feed.show(calm);
    await expect(alarms).toHaveCount(0);
    await expect(page.getByRole("status")).toHaveText("");
  }
  feed.show(() => ({ ...calm(), alarms: cases }));
  await expect(alarms.getByRole("listitem").first()).toHaveAttribute("data-alarm", "login ledger/api");
  await expect(page).toHaveTitle(/^\(3\) ledger\/api: logins to PostgreSQL fail/);
});

test("an alarm is there for who has just come, with its headline", async ({ page }) => {
  const text = "40 clients wait, the first for 900 ms.";
  await open(page, () => ({ ...calm(), alarms: busy().alarms ?? [], headline: headline(text) }));
  const shown = page.locator("[data-alarm='waiting shop/web']");
  await expect(shown).toBeVisible();
  await page.reload();
  await expect(shown).toBeVisible();
  await expect(page.getByTestId("verdict")).toHaveText(text);
});

test("who holds the locks is named, whoever that is", async ({ page }) => {
  const blocker = busy().blockers![0]!;
  const elsewhere = { ...blocker, kind: "elsewhere" as const, client: null, applicationName: "psql", state: "", sinceMs: null, lastText: null, serverPid: 77, lockWaiters: 1 };
  await open(page, () => ({
    ...busy(),
    blockers: [
      blocker,
      elsewhere,
      { ...elsewhere, kind: "prepared", serverPid: null },
      { ...elsewhere, kind: "clients", serverPid: 78 },
    ],
  }));
  const waiters = page.getByTestId("waiters").getByRole("listitem");
  await expect(waiters).toHaveText([/^shop\/web storefront, client 407 Details2.3 s$/, /^shop\/web, client 391 Details1.2 s$/]);
  const blockers = page.getByTestId("blockers").getByRole("listitem");
  await expect(blockers).toHaveCount(4);
  await expect(blockers.nth(0)).toContainText("shop/web importer, client 91");
  await expect(blockers.nth(0)).toContainText("19 sessions wait");
  await expect(blockers.nth(0)).toContainText("idle in transaction for 1 min 24 s, process 20411 of db1.internal:5432");
  await expect(blockers.nth(0)).toContainText("UPDATE stock SET quantity");
  await expect(blockers.nth(1)).toContainText("shop/web psql, not through pgweir");
  await expect(blockers.nth(1)).toContainText("1 session waits");
  await expect(blockers.nth(2)).toContainText("A prepared transaction");
  await expect(blockers.nth(3)).toHaveText("and 1 more");
  await expect(page.getByText("Locks that others hold", { exact: true })).toBeVisible();
  const first = page.getByRole("table", { name: "Clients that hold a server" }).getByRole("row").nth(1);
  await expect(first).toContainText("19 for its locks");
});

test("a pooler that goes away is noticed, and one that comes back", async ({ page }) => {
  await open(page, calm);
  feed.cut();
  await expect(page.getByTestId("state")).toHaveText("Connection lost");
  await expect(page.getByTestId("alarms")).toContainText("No word from pgweir");
  await expect(page.locator("[data-pool]").first()).toBeVisible();
  feed.show(calm);
  await expect(page.getByTestId("state")).toHaveText("Ready");
  await expect(page.getByTestId("alarms")).toHaveCount(0);
});

test("a line that is open and silent is no sign of life", async ({ page }) => {
  await open(page, calm);
  feed.fallSilent();
  await expect(page.getByTestId("state")).toHaveText("Connection lost");
});

test("with keys it asks for a token and keeps it in the tab", async ({ page }) => {
  feed.token = "good";
  feed.show(calm);
  await page.goto(feed.url);
  await expect(page.getByRole("heading", { name: "A token is needed" })).toBeVisible();
  await expect(page.getByText("pgweir token /etc/pgweir.toml")).toBeVisible();
  await page.getByLabel("Token").fill("bad");
  await page.keyboard.press("Enter");
  await expect(page.getByText("That token was not accepted.")).toBeVisible();
  await page.getByLabel("Token").fill("Bearer good");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(page.getByTestId("verdict")).toBeVisible();
  await page.reload();
  await expect(page.getByTestId("verdict")).toBeVisible();
  expect(page.url()).not.toContain("good");
});

test("two hundred pools are shown by the dozen, those in trouble first", async ({ page }) => {
  const pools = Array.from({ length: 200 }, (_, index) => pool({ database: `db${index}`, loginFailing: index >= 150, trouble: index >= 150 ? "error" : null }));
  const alarms = pools.filter((one) => one.loginFailing).map((one) => alarm({ key: `login ${one.database}/web`, severity: "error", what: "fails" }));
  await open(page, () => ({ ...calm(), pools, alarms }));
  await expect(page.locator("[data-pool]")).toHaveCount(12);
  await expect(page.locator("[data-pool]").first()).toHaveAttribute("data-pool", "db150/web");
  await expect(page.getByRole("status")).toHaveText(/^Alarm: login db150\/web; .*; and 45 more$/);
  await expect(page.getByTestId("alarms").getByRole("listitem")).toHaveCount(6);
  await page.getByRole("button", { name: "Show all 200 pools" }).click();
  await expect(page.locator("[data-pool]")).toHaveCount(200);
});

test("names and statements are text, whatever is in them", async ({ page }) => {
  await open(page, () => {
    const live = busy();
    live.pools = [pool({ database: "<img src=x onerror=alert(1)>" })];
    live.statements![0]!.text = "SELECT '</code><script>alert(1)</script>'";
    return live;
  });
  await expect(page.getByRole("heading", { name: "<img src=x onerror=alert(1)>/web" })).toBeVisible();
  await expect(page.getByText("SELECT '</code><script>alert(1)</script>'")).toBeVisible();
  expect(complaints).toEqual([]);
});

for (const scheme of ["light", "dark"] as const) {
  for (const [name, width, height] of [["wide", 1280, 900], ["narrow", 360, 740]] as const) {
    test(`${name} and ${scheme}: fits, is usable by all, makes no complaint`, async ({ page }) => {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: scheme });
      // A fixed time, so that a picture changes only when the page does.
      const at = new Date();
      at.setHours(14, 3, 12, 0);
      await page.clock.setFixedTime(at);
      await open(page, () => busy(at.getTime()));
      await expect(page.getByTestId("alarms")).toBeVisible();
      expect(await tooWide(page)).toEqual([]);
      const found = await new AxeBuilder({ page }).analyze();
      expect(found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(" | ")}`)).toEqual([]);
      await page.evaluate(() => scrollTo(0, 0));
      await page.setViewportSize({ width, height: 1_500 });
      await page.screenshot({ path: join(IMAGES, `dashboard-${name}-${scheme}.png`), fullPage: name === "wide" && scheme === "light" });
      expect(complaints).toEqual([]);
    });
  }
}

test("one switch says of which time all figures are", async ({ page }) => {
  let window: "1min" | "start" = "1min";
  await open(page, () => ({ ...busy(), window, timesSeconds: 58 }));
  await expect(page.getByText("per second, last 58 s")).toBeVisible();
  await expect(page.getByText("time waited, last 58 s")).toBeVisible();
  window = "start";
  await page.getByLabel("Figures of").selectOption("Since the start");
  await expect(page.getByText("per second, since the start")).toBeVisible();
  await expect(page.getByText("4; rates, times and refusals: since the start")).toBeVisible();
  expect(feed.windows).toEqual(["1min", "start"]);
  await expect(page.getByTestId("state")).toHaveText("Ready");
  expect(complaints).toEqual([]);
});

test("details show more of a pool, a client and a statement", async ({ page }) => {
  await open(page);
  await page.getByRole("button", { name: "Details of shop/web", exact: true }).click();
  const pool = page.getByRole("dialog", { name: "Pool shop/web" });
  await expect(pool.getByText("8, the first for 2.3 s")).toBeVisible();
  await expect(pool.getByRole("table", { name: "Holders of the pool" })).toContainText("importer");
  await expect(pool.locator("canvas")).toHaveCount(2);
  const accessible = await new AxeBuilder({ page }).include("dialog[open]").analyze();
  expect(accessible.violations).toEqual([]);
  await page.screenshot({ path: join(IMAGES, "details-pool.png") });
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);

  await page.getByRole("table", { name: "Statements" }).getByRole("button", { name: /^Details of statement/ }).first().click();
  const statement = page.getByRole("dialog", { name: /^Statement / });
  await expect(statement.getByRole("heading", { name: "Callers" })).toBeVisible();
  await page.screenshot({ path: join(IMAGES, "details-statement.png") });
  await statement.getByRole("button", { name: "Close" }).click();

  await page.getByRole("table", { name: "Clients that hold a server" }).getByRole("button", { name: /^Details of client/ }).first().click();
  const client = page.getByRole("dialog", { name: /^Client / });
  await expect(client.getByText("Last statement")).toBeVisible();
  await expect(client.getByRole("list").getByRole("listitem").first()).toBeVisible();
  await page.screenshot({ path: join(IMAGES, "details-client.png") });
  await page.keyboard.press("Escape");
  expect(complaints).toEqual([]);
});

test("where nobody has come yet it says how to connect", async ({ page }) => {
  await open(page, () => ({ ...calm(), pools: [], headline: headline("No client has come yet, so there is no pool.") }));
  await expect(page.getByTestId("connect")).toHaveText("psql -h 127.0.0.1 -p 6432 -U web shop");
});

test("a good day, for the manual", async ({ page }) => {
  await page.setViewportSize({ width: 1280, height: 900 });
  const at = new Date();
  at.setHours(14, 3, 12, 0);
  await page.clock.setFixedTime(at);
  await open(page, () => calm(at.getTime()));
  await expect(page.getByTestId("alarms")).toHaveCount(0);
  await page.screenshot({ path: join(IMAGES, "dashboard-calm.png") });
});

test("every control can be reached with the keyboard and is seen to be", async ({ page }) => {
  await open(page);
  const reached: string[] = [];
  for (let step = 0; step < 12; step++) {
    await page.keyboard.press("Tab");
    const [name, outline] = await page.evaluate(() => {
      const at = document.activeElement;
      const name = at?.getAttribute("aria-label") ?? at?.textContent?.trim().slice(0, 20) ?? "";
      return [`${at?.tagName.toLowerCase()} ${at?.id || name}`, at ? getComputedStyle(at).outlineStyle : "none"];
    });
    expect(outline, name).not.toBe("none");
    reached.push(name ?? "");
  }
  expect(reached.slice(0, 5)).toEqual(["a Skip to the pools", "input filter", "select Last 5 sLast minuteL", "button Hold", "select AutoLightDark"]);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "How to read this page" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});
