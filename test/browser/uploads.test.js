// Uploads of a large file, which goes in parts, over a network that fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseFiles, logIn, open, openPage, watchParts } from "./browser.js";
import { largeVideo, newPerson } from "./stack.js";

const { stack, browser } = await open();
const large = await largeVideo(stack, 112 * 1024 * 1024);

const allParts = [1, 2, 3, 4, 5, 6, 7, 8]; // of 16 MiB, the last is smaller

test("An upload goes on after a reload, with the parts that are not there yet", async (t) => {
  const page = await openPage(t, browser, stack);
  const parts = await watchParts(page, stack);
  await logIn(page, await newPerson(stack));
  page.on("dialog", (dialog) => dialog.accept()); // the browser asks whether to leave
  parts.hold(3);
  await upload(page);
  await parts.haveArrived(3);
  await page.reload();
  const before = parts.arrived();

  parts.release();
  await page.getByText("The upload was interrupted. Choose the same file again").waitFor();
  await chooseFiles(page, "Choose the file", large);
  await ready(page);
  assert.equal(before.length, 3);
  assert.deepEqual(parts.arrived().sort(), allParts, "each part arrived, and only once");
});

test("Another file does not go on where one was", async (t) => {
  const page = await openPage(t, browser, stack);
  const parts = await watchParts(page, stack);
  await logIn(page, await newPerson(stack));
  page.on("dialog", (dialog) => dialog.accept());
  parts.hold(1);
  await upload(page);
  await parts.haveArrived(1);
  await page.reload();
  await chooseFiles(page, "Choose the file", { name: "other.mp4", mimeType: "video/mp4", buffer: Buffer.alloc(1000) });
  await page.getByRole("alert").getByText("That is another file. Choose large.mp4 as it was.").waitFor();
  assert.equal(parts.arrived().length, 1);
});

test("An upload goes on when the network is back", async (t) => {
  const page = await openPage(t, browser, stack);
  page.provoked.push(/net::ERR_/);
  const parts = await watchParts(page, stack);
  await logIn(page, await newPerson(stack));
  parts.hold(3);
  await upload(page);
  await parts.haveArrived(3);
  await page.context().setOffline(true);
  parts.cut();
  await page.getByText("The server cannot be reached.").first().waitFor();
  await page.context().setOffline(false);
  await ready(page);
  assert.deepEqual(parts.arrived().sort(), allParts, "each part arrived, and only once");
});

test("An upload waits while it is paused, and is gone when it is cancelled", async (t) => {
  const page = await openPage(t, browser, stack);
  const parts = await watchParts(page, stack);
  await logIn(page, await newPerson(stack));
  parts.hold(2);
  await upload(page);
  await parts.haveArrived(2);
  await page.getByRole("button", { name: "Pause: large.mp4" }).click();
  await page.getByText("Paused", { exact: true }).waitFor();
  parts.release();
  await page.getByRole("button", { name: "Resume: large.mp4" }).click();
  await parts.haveArrived(3);
  parts.hold(0);
  await page.getByRole("button", { name: "Cancel: large.mp4" }).click();
  await page.getByText("No videos yet").waitFor();
  await page.reload();
  await page.getByText("No videos yet").waitFor();
});

async function upload(page) {
  await chooseFiles(page, "Choose videos", large);
  await page.getByRole("button", { name: "Upload and extract" }).click();
}

async function ready(page) {
  await page.getByRole("link", { name: "large.mp4" }).waitFor();
  await page.getByRole("button", { name: "Download ZIP: large.mp4" }).waitFor();
}
