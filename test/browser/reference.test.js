// The API's reference.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, openPage } from "./browser.js";

const { stack, browser } = await open();

test("The reference shows every call, under the app's own policy", async (t) => {
  const page = await openPage(t, browser, stack);
  const elsewhere = [];
  page.on("request", (request) => new URL(request.url()).origin !== stack.web && !request.url().startsWith("data:") && elsewhere.push(request.url()));
  await page.goto("/docs");
  await page.locator(".opblock").first().waitFor();
  const contract = await (await fetch(`${stack.web}/docs/openapi.yaml`)).text();
  const calls = contract.match(/^ {4}(get|post|put|patch|delete):$/gm).length;
  assert.equal(await page.locator(".opblock").count(), calls);
  await page.getByText("/v1/videos/{id}/download").click();
  await page.getByText("Responses", { exact: true }).waitFor();
  assert.deepEqual(elsewhere, []);
});
