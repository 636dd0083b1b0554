// The page as pgweir serves it, over a real PostgreSQL under real load.

import { expect, test } from "@playwright/test";
import { createHmac } from "node:crypto";
import { Machine } from "./machine";

let machine: Machine | undefined;

test.afterEach(async () => {
  await machine?.stop();
  machine = undefined;
});

test("a pool under load is seen to work, to be short of servers, and to recover", async ({ page }) => {
  test.setTimeout(150_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  const foreign: string[] = [];
  machine = await Machine.start(3, "query_wait_timeout = 6");
  const { url } = machine;
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) foreign.push(request.url());
  });
  await page.goto(url);
  await expect(page.getByTestId("state")).toHaveText("Ready");
  const card = page.locator("[data-pool='postgres/postgres']");
  await expect(card.locator(".cell")).toHaveCount(3);

  const calm = machine.load(2, "SELECT pg_sleep(0.02);");
  await expect(card.locator("dt:text-is('tx/s') + dd")).not.toHaveText("0");
  await expect(page.getByTestId("verdict")).toHaveText(/All is well|wait/);
  // Clients that came before PostgreSQL did were refused, which the pooler is alarmed of for half a minute.
  await expect(page.getByTestId("alarms")).toHaveCount(0, { timeout: 40_000 });
  const clock = page.getByTestId("clock");
  const before = (await clock.textContent()) ?? "";
  await expect(clock).not.toHaveText(before);

  const rush = machine.load(12, "SELECT pg_sleep(0.3);");
  await expect(card.locator(".dot").nth(5)).toBeVisible();
  await expect(page.getByText(/\d+ clients wait for a server/)).toBeVisible();
  await expect(card.locator(".cell.active")).toHaveCount(3);
  await expect(page.getByRole("table", { name: "Clients that hold a server" })).toContainText("pg_sleep($1)");
  await expect(page.getByRole("table", { name: "Statements" })).toContainText("pg_sleep($1)");
  await expect(page.getByText(/^Not reported/)).toHaveCount(0);
  // It has not lasted for half a minute.
  await expect(page.getByTestId("alarms")).toHaveCount(0);
  await machine.end(rush);
  // Two of these wait for four seconds, and would be refused after six.
  const jam = machine.load(5, "SELECT pg_sleep(4);");
  const alarm = page.locator("[data-alarm='waiting postgres/postgres']");
  await expect(alarm).toContainText("refused after 6.0 s");
  await machine.end(jam);
  await expect(page.getByTestId("alarms")).toHaveCount(0);
  await expect(page.getByText(/the queue is over; \d+ clients waited at most/)).toBeVisible({ timeout: 20_000 });
  await expect(page.locator("canvas").first()).toBeVisible();
  await machine.end(calm);

  await machine.killPostgres();
  try {
    machine.query("SELECT 1");
  } catch {
    // It is meant to fail.
  }
  await expect(page.locator("[data-alarm='login postgres/postgres']")).toBeVisible();
  await expect(page.getByTestId("state")).toHaveText("Not ready");
  expect(complaints).toEqual([]);
  expect(foreign).toEqual([]);
});

test("with a key the page asks for a token and takes a good one", async ({ page }) => {
  const secret = "0123456789abcdef0123456789abcdef";
  process.env.PGWEIR_PAGE_SECRET = secret;
  machine = await Machine.start(2, 'http_jwt_secret_env = "PGWEIR_PAGE_SECRET"');
  await page.goto(machine.url);
  await page.getByLabel("Token").fill("eyJ.nonsense");
  await page.keyboard.press("Enter");
  await expect(page.getByText("That token was not accepted.")).toBeVisible();
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp: Math.floor(Date.now() / 1000) + 600 })}`;
  const token = `${head}.${createHmac("sha256", secret).update(head).digest("base64url")}`;
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("state")).toHaveText("Ready");
});
