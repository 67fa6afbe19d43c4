// Every page as it looks: pictures of it, and what keeps people out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseFiles, logIn, lookAt, open, openPage, watchParts } from "./browser.js";
import { bottles, bunny, call, largeVideo, newPerson, newVideo } from "./stack.js";

const { stack, browser } = await open();

for (const language of ["en", "pt-BR"]) {
  test(`The pages before the login, in ${language}`, async (t) => {
    const page = await openPage(t, browser, stack, { locale: language });
    for (const name of ["login", "register", "forgot-password", "reset-password", "verify-email"]) {
      await page.goto(`/${name}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await lookAt(page, `${name}-${language}`);
    }
  });

  test(`The pages of a person with videos, in ${language}`, async (t) => {
    const page = await openPage(t, browser, stack, { locale: language });
    const person = await newPerson(stack, { locale: language });
    const video = await newVideo(stack, person, bunny, "big-buck-bunny.mp4", { sprite: true });
    await newVideo(stack, person, `${import.meta.dirname}/package.json`, "a-video-with-a-long-name-that-is-none-and-so-could-not-be-read-at-all.mp4");
    await call(stack, "POST", "/videos", { filename: "begun.mp4", size: 1000, content_type: "video/mp4" }, person.token);
    await logIn(page, person);
    await page.getByText(/begun/).waitFor();
    await lookAt(page, `videos-${language}`);

    await chooseFiles(page, /^(Choose videos|Escolher vídeos)$/, bottles);
    await page.locator(".estimate").waitFor();
    await page.locator("summary").click();
    await lookAt(page, `options-${language}`);

    await page.goto(`/videos/${video.id}`);
    await tilesThere(page);
    await lookAt(page, `video-${language}`);
    await page.getByRole("button", { name: /^(Show the frames' times|Mostrar os instantes dos quadros)$/ }).click();
    await page.getByRole("cell", { name: "000001.jpg" }).waitFor();
    await lookAt(page, `manifest-${language}`);
    await page.route(`**/v1/videos/${video.id}`, (route) => route.fulfill({ json: { ...video, status: "expired" } }));
    await page.reload();
    await page.getByText(/^(Expired|Expirado)$/).waitFor();
    await lookAt(page, `expired-${language}`);

    await page.goto("/settings");
    await page.locator("meter").first().waitFor();
    await page.locator("summary").first().click();
    await lookAt(page, `settings-${language}`);
    await page.getByLabel(/^(What the key is for|Para que serve a chave)$/).fill("backup");
    await page.getByRole("button", { name: /^(Create key|Criar chave)$/ }).click();
    await page.getByRole("button", { name: /^(Copy|Copiar)$/ }).waitFor();
    await lookAt(page, `key-${language}`);

    for (const name of ["verify-email", "confirm-email"]) {
      await page.goto(`/${name}#code=7K2M-9XQ4`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await lookAt(page, `${name}-inside-${language}`);
    }
  });

  test(`A running upload of a newcomer, in ${language}`, async (t) => {
    const page = await openPage(t, browser, stack, { locale: language });
    const person = { email: `unverified.${language}@example.com`, password: "correct horse battery staple" };
    await call(stack, "POST", "/auth/register", person);
    const parts = await watchParts(page, stack);
    await logIn(page, person);
    parts.hold(3);
    await chooseFiles(page, /^(Choose videos|Escolher vídeos)$/, await largeVideo(stack, 112 * 1024 * 1024));
    await page.getByRole("button", { name: /^(Upload and extract|Enviar e extrair)$/ }).click();
    await parts.haveArrived(3);
    await page.getByText(/^(Uploading|Enviando)$/).waitFor();
    await lookAt(page, `uploading-${language}`);
    await page.getByRole("button", { name: /^(Pause|Pausar):/ }).click();
    await page.getByText(/^(Paused|Pausado)$/).waitFor();
    await lookAt(page, `paused-${language}`);
  });
}

test("The API's reference", async (t) => {
  const page = await openPage(t, browser, stack);
  await page.goto("/docs/");
  await page.getByRole("heading", { name: "videos" }).waitFor();
  await lookAt(page, "docs", { except: ["nested-interactive"] }); // as Swagger UI is made
});

test("The dialogs", async (t) => {
  const page = await openPage(t, browser, stack);
  const person = await newPerson(stack);
  const video = await newVideo(stack, person, bunny, "big-buck-bunny.mp4", { sprite: true });
  await logIn(page, person);
  await page.goto(`/videos/${video.id}`);
  await tilesThere(page);
  await page.locator(".tile").nth(12).click();
  await page.getByRole("dialog").getByRole("img").waitFor();
  const { y, height } = await page.getByRole("dialog").boundingBox();
  assert.ok(Math.abs(y - (800 - y - height)) <= 1, `the dialog is in the middle: ${y} px above it, ${800 - y - height} px below`);
  await lookAt(page, "frame", { fullPage: false });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^Extract again/ }).click();
  await lookAt(page, "again", { fullPage: false });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^Delete/ }).click();
  await lookAt(page, "delete", { fullPage: false });
});

test("The pages of nothing and of errors", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/status of 404/, /net::ERR_/);
  const person = await newPerson(stack);
  const broken = await newVideo(stack, person, `${import.meta.dirname}/package.json`, "broken.mp4");
  await logIn(page, await newPerson(stack));
  await page.getByText("No videos yet").waitFor();
  await lookAt(page, "empty");
  await page.goto("/videos/01a217a3-6514-7004-a0bb-a5389a16a5a8");
  await page.getByRole("heading", { name: "This video is not there" }).waitFor();
  await lookAt(page, "gone");
  await page.goto("/nowhere");
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
  await lookAt(page, "not-found");
  await page.goto("/");
  await page.getByText("No videos yet").waitFor();
  await page.context().setOffline(true);
  await page.getByLabel("Show").selectOption("Failed");
  await page.getByText("The server cannot be reached.").first().waitFor();
  await lookAt(page, "offline");
  await page.context().setOffline(false);

  await page.context().clearCookies();
  await page.evaluate(() => localStorage.clear());
  await logIn(page, person);
  await page.goto(`/videos/${broken.id}`);
  await page.getByText("Failed", { exact: true }).waitFor();
  await lookAt(page, "failed");
});

async function tilesThere(page) {
  await page.waitForFunction(() => document.querySelector(".tile-image")?.style.backgroundImage.startsWith('url("blob:'));
  assert.equal(await page.locator(".tile").count(), 30);
}
