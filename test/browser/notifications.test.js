// Which mails come: the settings, and the link at the end of a mail.

import assert from "node:assert/strict";
import { test } from "node:test";
import { logIn, lookAt, open, openPage } from "./browser.js";
import { bottles, call, mailTo, newPerson, newVideo, until } from "./stack.js";

const { stack, browser } = await open();

const noVideo = `${import.meta.dirname}/package.json`;
const preferences = async ({ token }) => (await call(stack, "GET", "/notifications/preferences", undefined, token)).email;

test("A person switches a mail off, sees which came, and is told what could not be saved", async (t) => {
  const page = await openPage(t, browser, stack);
  const person = await newPerson(stack);
  const { id } = await newVideo(stack, person, noVideo, "notes.mp4");
  await mailTo(stack, person.email, /could not process notes/);
  await logIn(page, person);
  await page.getByRole("link", { name: "Settings" }).click();
  const part = page.getByRole("region", { name: "Notifications" });
  const ready = part.getByLabel("Mail me when frames are ready");
  const failed = part.getByLabel("Mail me when a video could not be processed");
  await ready.uncheck();
  await part.getByText("Saved.").waitFor();
  assert.deepEqual(await preferences(person), { completed: false, failed: true, expiring: true, digest: true });
  await page.reload();
  await ready.waitFor();
  assert.equal(await ready.isChecked(), false);
  assert.equal(await failed.isChecked(), true);
  assert.equal(await part.getByRole("link", { name: "A video could not be processed" }).getAttribute("href"), `/videos/${id}`);
  await part.getByText("Code to confirm the e-mail").waitFor();
  await lookAt(page, "notifications");

  page.provoked.push(/ERR_FAILED/);
  await page.route("**/notifications/preferences", (route) => route.abort());
  await failed.click();
  await part.getByRole("alert").getByText("The server cannot be reached.").waitFor();
  await until("the switch is back", () => failed.isChecked());
  await page.unroute("**/notifications/preferences");
  await failed.uncheck();
  await part.getByText("Saved.").waitFor();
  assert.deepEqual(await preferences(person), { completed: false, failed: false, expiring: true, digest: true });
  await part.getByLabel("When much happens to your videos at once, tell of it in one mail").uncheck();
  await until("it is saved", async () => !(await preferences(person)).digest);
});

for (const [language, words] of Object.entries({
  en: { subject: /frames are ready/, button: "Stop these mails", done: /No more mails come/ },
  "pt-BR": { subject: /quadros estão prontos/, button: "Parar esses e-mails", done: /Não enviaremos mais/ },
})) {
  test(`Who has a mail stops others like it without a login, in ${language}`, async (t) => {
    const page = await openPage(t, browser, stack, { locale: language });
    const person = await newPerson(stack, { locale: language });
    await newVideo(stack, person, bottles, "bottles.mp4");
    const mail = await mailTo(stack, person.email, words.subject);

    await page.setContent(mail.html);
    await lookAt(page, `mail-${language}`);
    await page.locator("a[href*='/unsubscribe#']").click();
    const button = page.getByRole("button", { name: words.button });
    await button.waitFor();
    assert.deepEqual(await preferences(person), { completed: true, failed: true, expiring: true, digest: true });
    await lookAt(page, `unsubscribe-${language}`);
    await button.click();
    await page.getByText(words.done).waitFor();
    assert.deepEqual(await preferences(person), { completed: false, failed: true, expiring: true, digest: true });
    await lookAt(page, `unsubscribed-${language}`);
  });
}

test("A link that was cut off says so", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/status of 422/);
  await page.goto("/unsubscribe#token=x");
  await page.getByRole("alert").getByText("This link is not whole.").waitFor();
  await page.goto("/unsubscribe#token=00000000-0000-4000-8000-000000000000.x.failed.AAAA");
  await page.getByRole("button", { name: "Stop these mails" }).click();
  await page.getByRole("alert").getByText("This link is not whole").waitFor();
  await page.goto("/unsubscribe#token=00000000-0000-4000-8000-000000000000.x.digest.AAAA");
  await page.getByText("Stop all of these mails?").waitFor();
});
