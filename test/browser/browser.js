// The browser, and what is looked at on every page in it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { after } from "node:test";
import { chromium } from "playwright-core";
import { output, startStack } from "./stack.js";

/** Starts a stack and a browser for the tests of a file, which end with them. */
export async function open() {
  const stack = await startStack();
  let browser;
  after(async () => {
    await browser?.close();
    await stack.stop();
  });
  browser = await launch();
  return { stack, browser };
}

export async function launch() {
  return chromium.launch({ executablePath: program(), args: ["--force-color-profile=srgb"] });
}

function program() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const paths = names.flatMap((name) => process.env.PATH.split(delimiter).map((folder) => join(folder, name)));
  const found = process.env.CHROMIUM ?? paths.find(existsSync);
  if (!found) throw new Error(`no browser: install one of ${names.join(", ")}, or set CHROMIUM to its path`);
  return found;
}

/**
 * Opens a page for one test. When the test ends, nothing may have gone wrong in it:
 * no exception, no error in the console, nothing that the content security policy
 * had to forbid. A test says which errors it provokes in page.provoked, as regular
 * expressions.
 */
export async function openPage(t, browser, stack, options = {}) {
  const context = await browser.newContext({ baseURL: stack.web, locale: "en-US", timezoneId: "UTC", viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(180_000); // a machine may have much else to do
  page.on("filechooser", () => {}); // has Playwright take all: a listener that comes with a key press may come too late
  const wrong = [];
  page.provoked = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) wrong.push(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => wrong.push(String(error.stack)));
  await page.exposeFunction("forbidden", (what) => wrong.push(what));
  await page.addInitScript(() => addEventListener("securitypolicyviolation",
    (e) => window.forbidden(`the policy forbids ${e.blockedURI} by ${e.violatedDirective}`)));
  t.after(async () => {
    if (!t.passed && t.error) await page.screenshot({ path: join(output, `failed-${t.name.replaceAll(/\W+/g, "-")}.png`) });
    await context.close();
    assert.deepEqual(wrong.filter((text) => !page.provoked.some((expected) => expected.test(text))), []);
  });
  return page;
}

export async function logIn(page, person) {
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel(/^(Password|Senha)$/).fill(person.password);
  await page.getByRole("button", { name: /^(Log in|Entrar)$/ }).click();
  await page.getByRole("heading", { name: /^(Videos|Vídeos)$/ }).waitFor();
}

/** Chooses a file as with the browser's own dialog. */
export async function chooseFiles(page, button, ...files) {
  const choosing = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: button }).click();
  await (await choosing).setFiles(files);
}

/** Counts the parts that reach S3, and lets only some of them through. */
export async function watchParts(page, stack) {
  const arrived = [];
  let free = Infinity;
  let held = [];
  let notify = () => {};
  page.on("response", (response) => {
    if (response.request().method() !== "PUT" || !response.url().startsWith(stack.aws) || !response.ok()) return;
    arrived.push(Number(new URL(response.url()).searchParams.get("partNumber")));
    notify();
  });
  await page.route(`${stack.aws}/**`, async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    if (free-- > 0) return route.continue();
    held.push(route);
  });
  return {
    arrived: () => [...arrived],
    /** Lets only so many more through; the others wait. */
    hold(n) { free = n; },
    /** Lets all through, those too that waited for that. */
    release() {
      free = Infinity;
      for (const route of held.splice(0)) route.continue().catch(() => {}); // the page may have gone
    },
    /** The network fails for those that wait. */
    cut() {
      free = Infinity;
      for (const route of held.splice(0)) route.abort("internetdisconnected");
    },
    async haveArrived(n) {
      while (arrived.length < n) await new Promise((resolve) => { notify = resolve; });
    },
  };
}

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Looks at the page in both themes, at 360 and 1280 pixels: keeps pictures, and
 * wants nothing to stick out sideways and nothing that keeps people out, but for axe's
 * rules that are excepted.
 */
export async function lookAt(page, name, { fullPage = true, except = [] } = {}) {
  await mkdir(output, { recursive: true });
  const found = [];
  for (const width of [360, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.screenshot({ path: join(output, `${name}-${width}-${colorScheme}.png`), fullPage });
      found.push(...(await barriers(page, except)).map((what) => `${width} px, ${colorScheme}: ${what}`));
    }
    const out = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (out > 0) found.push(`${width} px: ${out} px stick out sideways`);
  }
  assert.deepEqual(found, [], name);
}

async function barriers(page, except) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations.filter(({ id, impact }) => (impact === "serious" || impact === "critical") && !except.includes(id))
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}
