// Makes the README's pictures of the app: docs/screenshot.png and, in dark,
// docs/screenshot-dark.png.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { launch, logIn } from "./browser.js";
import { bunny, newPerson, newVideo, root, startStack } from "./stack.js";

const stack = await startStack();
const browser = await launch();
try {
  const person = await newPerson(stack);
  const video = await newVideo(stack, person, bunny, "big-buck-bunny.mp4", { sprite: true });
  const page = await browser.newPage({ baseURL: stack.web, locale: "en-US", timezoneId: "UTC", viewport: { width: 960, height: 600 } });
  await logIn(page, person);
  await page.goto(`/videos/${video.id}`);
  await page.waitForFunction(() => document.querySelector(".tile-image")?.style.backgroundImage.startsWith('url("blob:'));
  for (const [colorScheme, name] of [["light", "screenshot"], ["dark", "screenshot-dark"]]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const picture = join(stack.folder, `${name}.png`);
    await page.screenshot({ path: picture });
    // 256 colours are enough, and half the bytes.
    await promisify(execFile)("ffmpeg", ["-v", "error", "-y", "-i", picture, "-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none",
      join(root, "docs", `${name}.png`)]);
  }
} finally {
  await browser.close();
  await stack.stop();
}
