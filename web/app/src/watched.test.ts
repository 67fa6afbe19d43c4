import { expect, test } from "vitest";
import { Problem, Unreachable } from "./api";
import { surroundings, video } from "./testing";
import type { Video } from "./types";
import { Watched } from "./watched";

const notFound = new Problem(404, { code: "not_found", detail: "There is no such video." });

/** A watched video, and the server's answers for it, one after the other; the last stays. */
function watch(...answers: (Video | Error)[]) {
  const { around, announced } = surroundings(async () => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const watched = new Watched("a", around);
  const state = () => (watched.missing.value ? "missing" : watched.awaited.value ? "awaited" : watched.video.value?.status);
  const ask = async (times = 1) => {
    const states = [];
    for (let i = 0; i < times; i++) {
      await watched.ask().catch(() => {});
      states.push(state());
    }
    return states;
  };
  return { watched, announced, ask, state };
}

test("a video that the server does not know yet is awaited, and shown when it is there", async () => {
  const { ask } = watch(notFound, notFound, video("a"));
  expect(await ask(3)).toEqual(["awaited", "awaited", "queued"]);
});

test("a video that does not come is missing after several answers", async () => {
  const { ask } = watch(notFound);
  expect(await ask(5)).toEqual(["awaited", "awaited", "awaited", "missing", "missing"]);
});

test("a video that was missing is shown when it is there", async () => {
  const { ask } = watch(notFound, notFound, notFound, notFound, video("a"));
  expect((await ask(5)).slice(-2)).toEqual(["missing", "queued"]);
});

test("whoever asks for a missing video again waits as at first", async () => {
  const { watched, ask, state } = watch(notFound);
  await ask(4);
  watched.refresh();
  expect([state(), ...(await ask())]).toEqual([undefined, "awaited"]);
});

test("a video that is not there yet is asked for ever more seldom, a broken network so too", async () => {
  expect(await watch(notFound).watched.ask()).toBe(false);
  await expect(watch(new Unreachable()).watched.ask()).rejects.toBeInstanceOf(Unreachable);
});

test("a broken network says nothing of a video", async () => {
  const { watched, ask } = watch(video("a"), new Unreachable(), video("a"));
  await ask(2);
  expect([watched.missing.value, watched.video.value?.id, watched.error.value]).toEqual([false, "a", new Unreachable().message]);
  await ask();
  expect(watched.error.value).toBe("");
});

test("what was done is not undone by an answer that is older", async () => {
  const { watched, ask, announced } = watch(video("a", { status: "completed" }));
  await ask();
  watched.put(video("a", { status: "queued", updated_at: "2026-01-01T00:00:01Z" }));
  expect(await ask()).toEqual(["queued"]);
  expect(announced).toEqual([]);
});
