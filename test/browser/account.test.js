// The account: its password, its keys, its sessions, its data, its end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { logIn, open, openPage } from "./browser.js";
import { call, codeMail, newPerson, until } from "./stack.js";

const { stack, browser } = await open();

test("Who has forgotten the password sets a new one with a mailed code", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/status of 401/);
  const person = await newPerson(stack);
  await page.goto("/login");
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password").fill("this is not it at all");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByRole("link", { name: "Forgotten password?" }).click();
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByRole("button", { name: "Mail me a code" }).click();
  await page.getByRole("heading", { name: "Set a new password" }).waitFor();
  await page.getByLabel("Code from the mail").fill((await codeMail(stack, person.email, 2)).code);
  await page.getByLabel("New password").fill("a wholly different sentence");
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("The password is set. Log in with it.").waitFor();
  await logIn(page, { ...person, password: "a wholly different sentence" });
});

test("A code that is typed before the login has ended stays", async (t) => {
  const page = await openPage(t, browser, stack);
  const email = "quick@example.com";
  let letIn;
  await page.route("**/v1/auth/login", async (route) => {
    await new Promise((resolve) => { letIn = resolve; });
    await route.continue();
  });
  await page.goto("/register");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("correct horse battery staple");
  await page.getByRole("button", { name: "Create account" }).click();
  const { code } = await codeMail(stack, email);
  await page.getByLabel("Code from the mail").fill(code);
  letIn();
  await page.getByRole("button", { name: "Mail a new code" }).waitFor();
  assert.equal(await page.getByLabel("Code from the mail").inputValue(), code);
  await page.getByRole("button", { name: "Confirm", exact: true }).click();
  await page.getByText("Your e-mail is confirmed.").waitFor();
});

test("A program uses the API with a key from the settings until that is revoked", async (t) => {
  const page = await openPage(t, browser, stack);
  await logIn(page, await newPerson(stack));
  await page.getByRole("link", { name: "Settings" }).click();
  const keys = page.getByRole("region", { name: "API keys" });
  await keys.locator("summary").click();
  await keys.getByLabel("What the key is for").fill("backup");
  await keys.getByRole("button", { name: "Create key" }).click();
  const secret = await keys.getByLabel("Secret").inputValue();
  const ask = () => fetch(`${stack.web}/v1/videos`, { headers: { Authorization: `Bearer ${secret}` } });
  assert.equal((await ask()).status, 200);

  await keys.getByRole("button", { name: "Revoke: backup" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await keys.getByText("No keys yet.").waitFor();
  await until("the key is refused", async () => (await ask()).status === 401); // its answer is kept for seconds
});

test("A person ends the session of another device, and then all", async (t) => {
  const person = await newPerson(stack);
  const page = await openPage(t, browser, stack);
  const other = await openPage(t, browser, stack);
  other.provoked.push(/status of 401/);
  await logIn(page, person);
  await logIn(other, person);
  await page.goto("/settings");
  const sessions = page.getByRole("region", { name: "Sessions" });
  const others = sessions.getByRole("listitem").filter({ hasNotText: "this one" });
  await sessions.getByText("this one").waitFor();
  assert.equal(await others.count(), 2); // the other browser's, and the one that made the account
  for (let left = 1; left >= 0; left--) {
    await others.first().getByRole("button").click();
    await others.nth(left).waitFor({ state: "detached" });
  }
  await other.reload();
  await other.getByText("Your session has ended. Log in again.").waitFor();

  await sessions.getByRole("button", { name: "Log out everywhere" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Log out everywhere" }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();
});

test("A person takes all data along, and deletes the account", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/status of 401/);
  const person = await newPerson(stack);
  await logIn(page, person);
  await page.goto("/settings");
  const data = page.getByRole("region", { name: "Your data" });
  await data.getByRole("button", { name: "Prepare my data" }).click();
  await data.getByText("Your data are ready.").waitFor();
  const files = await data.getByRole("link").evaluateAll((links) => links.map((link) => link.href));
  const texts = await Promise.all(files.map(async (address) => (await fetch(address)).text()));
  assert.ok(texts.some((text) => text.includes(person.email)), "a file has the address");

  const end = page.getByRole("region", { name: "Delete the account" });
  await end.getByLabel("Password").fill(person.password);
  await end.getByRole("button", { name: "Delete my account" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete my account" }).click();
  await page.getByText("Your account is being deleted.").waitFor();
  await assert.rejects(call(stack, "POST", "/auth/login", { email: person.email, password: person.password }), /401/);
});

test("The language and the appearance are kept", async (t) => {
  const page = await openPage(t, browser, stack);
  await page.goto("/login");
  await page.getByLabel("Language").selectOption("Português");
  await page.getByRole("heading", { name: "Entrar" }).waitFor();
  await page.getByLabel("Aparência").selectOption("Escura");
  await page.reload();
  await page.getByRole("heading", { name: "Entrar" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "pt-BR");
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
});
