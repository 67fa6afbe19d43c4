// What most people come for: a video in, its frames out.

import assert from "node:assert/strict";
import { basename } from "node:path";
import { test } from "node:test";
import { chooseFiles, logIn, open, openPage } from "./browser.js";
import { bottles, bunny, codeMail, newPerson, newVideo, unpack } from "./stack.js";

const { stack, browser } = await open();

const english = {
  locale: "en-US", name: "Name (optional)", password: "Password", register: "Create account", code: "Code from the mail", confirm: "Confirm",
  confirmed: "Your e-mail is confirmed.", choose: "Choose videos", mode: "Choose frames", several: "Several a second", rate: "Frames a second",
  format: "Image format", perSecond: "8", image: "WebP", estimate: "240 frames", upload: "Upload and extract", progress: `Progress of ${basename(bunny)}`,
  download: `Download ZIP: ${basename(bunny)}`, ready: "Ready", count: 240, frames: "240 frames", shown: "100 of 240 frames", more: "Show more",
  frame: "Frame 101 at 0:12.5", viewer: "Frame 101 of 240", subject: /is your Fotograma code$/,
};
const portuguese = {
  locale: "pt-BR", name: "Nome (opcional)", password: "Senha", register: "Criar conta", code: "Código do e-mail", confirm: "Confirmar",
  confirmed: "O seu e-mail está confirmado.", choose: "Escolher vídeos", mode: "Escolher quadros", several: "Vários por segundo", rate: "Quadros por segundo",
  format: "Formato das imagens", perSecond: "4", image: "JPEG", estimate: "120 quadros", upload: "Enviar e extrair", progress: `Progresso de ${basename(bunny)}`,
  download: `Baixar ZIP: ${basename(bunny)}`, ready: "Pronto", count: 120, frames: "120 quadros", shown: "100 de 120 quadros", more: "Mostrar mais",
  frame: "Quadro 101 em 0:25", viewer: "Quadro 101 de 120", subject: /é o seu código do Fotograma$/,
};

for (const says of [english, portuguese]) {
  test(`A newcomer gets the frames of a video, in ${says.locale}`, async (t) => {
    const page = await openPage(t, browser, stack, { locale: says.locale });
    const email = `newcomer.${says.locale}@example.com`;

    // An account, whose address the mailed code confirms.
    await page.goto("/register");
    await page.getByLabel(says.name).fill("Ana");
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel(says.password, { exact: true }).fill("correct horse battery staple");
    await page.getByRole("button", { name: says.register }).click();
    const mail = await codeMail(stack, email);
    assert.match(mail.subject, says.subject);
    await page.getByLabel(says.code).fill(mail.code);
    await page.getByRole("button", { name: says.confirm, exact: true }).click();
    await page.getByText(says.confirmed).waitFor();

    // A video, and what is wanted of it.
    await chooseFiles(page, says.choose, bunny);
    await page.getByLabel(says.mode).selectOption(says.several);
    await page.getByLabel(says.rate).fill(says.perSecond);
    await page.getByLabel(says.format).selectOption(says.image);
    await page.getByText(says.estimate).waitFor();
    await page.getByRole("button", { name: says.upload }).click();

    // Its page, while it is worked on and then.
    await page.getByRole("link", { name: basename(bunny) }).click();
    await page.getByRole("heading", { name: basename(bunny) }).waitFor();
    if (says.image === "WebP") await halfDone(page, says.progress); // the other is too fast for that
    await page.getByText(says.ready, { exact: true }).waitFor();
    await page.getByText(says.frames).first().waitFor();

    // The thumbnails are a hundred at first, and each opens a frame.
    await page.getByText(says.shown).waitFor();
    assert.ok(await page.locator(".tile-image").first().evaluate((tile) => getComputedStyle(tile).backgroundImage.startsWith('url("blob:')));
    await page.getByRole("button", { name: says.more }).click();
    await page.getByRole("button", { name: says.frame, exact: true }).click();
    const dialog = page.getByRole("dialog", { name: says.viewer });
    const image = dialog.getByRole("img");
    await image.waitFor();
    assert.deepEqual(await image.evaluate(async (img) => { await img.decode(); return [img.naturalWidth, img.naturalHeight]; }), [854, 480]);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });

    // The archive is what the manifest says.
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: says.download }).click();
    const download = await downloading;
    assert.match(download.suggestedFilename(), /^big-buck-bunny.*\.zip$/);
    const manifest = await unpack(stack, await download.path());
    assert.equal(manifest.frames.length, says.count);
  });
}

test("A person cancels an extraction, has other frames extracted instead, and deletes the video", async (t) => {
  const page = await openPage(t, browser, stack);
  await logIn(page, await newPerson(stack));
  await chooseFiles(page, "Choose videos", bunny);
  await page.getByLabel("Choose frames").selectOption("Every nth picture");
  await page.getByLabel("Pictures between frames").fill("1");
  await page.getByLabel("Image format").selectOption("WebP");
  await page.getByRole("button", { name: "Upload and extract" }).click();
  await page.getByRole("button", { name: `Cancel: ${basename(bunny)}` }).and(page.locator(".row-foot button")).click();
  await page.getByText("Cancelled", { exact: true }).and(page.locator(".status")).waitFor();

  await page.getByRole("button", { name: `Extract again: ${basename(bunny)}` }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Choose frames").selectOption("A fixed number, evenly spaced");
  await dialog.getByLabel("How many frames").fill("3");
  await dialog.getByLabel("Image format").selectOption("PNG");
  await dialog.getByRole("button", { name: "Extract again" }).click();
  await page.getByText("3 frames").waitFor();
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: `Download ZIP: ${basename(bunny)}` }).click();
  const manifest = await unpack(stack, await (await downloading).path());
  assert.deepEqual(manifest.frames.map((frame) => frame.file.split(".").pop()), ["png", "png", "png"]);

  await page.getByRole("button", { name: `Delete: ${basename(bunny)}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("No videos yet").waitFor();
  await hasFocus(page, page.getByRole("heading", { name: "Videos", exact: true }));
});

test("Whoever has no mouse logs in and uploads a video", async (t) => {
  const page = await openPage(t, browser, stack);
  const person = await newPerson(stack);
  await page.goto("/login");
  await tabTo(page, page.getByLabel("E-mail"));
  await page.keyboard.type(person.email);
  await tabTo(page, page.getByLabel("Password"));
  await page.keyboard.type(person.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Videos", exact: true }).waitFor();

  await tabTo(page, page.getByRole("button", { name: "Choose videos" }));
  const choosing = page.waitForEvent("filechooser");
  await page.keyboard.press("Enter");
  await (await choosing).setFiles(bottles);
  await page.getByRole("button", { name: "Upload and extract" }).waitFor();
  await tabTo(page, page.getByRole("button", { name: "Upload and extract" }));
  await page.keyboard.press("Space");
  await hasFocus(page, page.getByRole("heading", { name: "Videos", exact: true }));
  const video = page.getByRole("link", { name: basename(bottles) });
  await page.getByText("Ready", { exact: true }).and(page.locator(".status")).waitFor();
  await tabTo(page, video);
  await page.keyboard.press("Enter");
  const frame = page.getByRole("button", { name: /^Frame 1 at/ });
  await frame.waitFor();
  await tabTo(page, frame);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Frame 1 of" }).waitFor();
  await page.keyboard.press("ArrowRight");
  await page.getByRole("dialog", { name: "Frame 2 of" }).waitFor();
});

test("A video that the server does not show yet is waited for", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/status of 404/);
  const person = await newPerson(stack);
  const video = await newVideo(stack, person, bottles, "late.mp4");
  await logIn(page, person);
  let asked = 0;
  await page.route(`**/v1/videos/${video.id}`, (route) => (++asked > 2 ? route.continue() : route.fulfill(notFound)));
  await page.goto(`/videos/${video.id}`);
  await page.getByText("The video is being prepared.").waitFor();
  await page.getByRole("heading", { name: "late.mp4" }).waitFor();
  assert.equal(asked, 3);
});

test("Whoever was told that a video is not there can look again", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/status of 404/);
  const person = await newPerson(stack);
  const video = await newVideo(stack, person, bottles, "late.mp4");
  await logIn(page, person);
  await page.route(`**/v1/videos/${video.id}`, (route) => route.fulfill(notFound));
  await page.goto(`/videos/${video.id}`);
  await page.getByRole("heading", { name: "This video is not there" }).waitFor();
  await page.unrouteAll();
  await page.getByRole("button", { name: "Look again" }).click();
  await page.getByRole("heading", { name: "late.mp4" }).waitFor();
});

const notFound = { status: 404, contentType: "application/problem+json", json: { code: "not_found", detail: "There is no such video." } };

test("Nobody sees another's video", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/status of 404/);
  const video = await newVideo(stack, await newPerson(stack), bottles, "secret.mp4");
  await logIn(page, await newPerson(stack));
  await page.goto(`/videos/${video.id}`);
  await page.getByRole("heading", { name: "This video is not there" }).waitFor();
});

/** Waits until a progress stands between nothing and all. */
function halfDone(page, label) {
  return page.waitForFunction((name) => {
    const progress = document.querySelector(`progress[aria-label="${name}"]`);
    return progress && progress.position > 0 && progress.position < 1;
  }, label);
}

/** Waits until something has the focus. */
async function hasFocus(page, wanted) {
  await page.waitForFunction((element) => element === document.activeElement, await wanted.elementHandle());
}

/** Presses Tab until something has the focus; a hundred times is too often. */
async function tabTo(page, wanted) {
  for (let i = 0; i < 100; i++) {
    await page.keyboard.press("Tab");
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
  }
  assert.fail(`Tab does not lead to ${wanted}`);
}
