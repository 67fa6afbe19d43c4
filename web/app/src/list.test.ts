import { afterEach, expect, test, vi } from "vitest";
import { Problem } from "./api";
import { VideoList } from "./list";
import { surroundings, video } from "./testing";
import type { Video } from "./types";

afterEach(() => void vi.useRealTimers());

/** A list whose server has these videos. */
function listOf(server: { videos: Video[]; next_cursor?: string }) {
  const { around, announced } = surroundings(async (path) => {
    const id = /^\/videos\/([^/?]+)/.exec(path)?.[1];
    if (!id) return { ...server };
    const found = server.videos.find((one) => one.id === id);
    if (!found) throw new Problem(404, { code: "not_found", detail: "There is no such video." });
    return found;
  });
  const list = new VideoList(around);
  return { list, announced, shown: () => list.list.value?.map(({ id, status }) => `${id} ${status}`) };
}

test("a new video stays, though an answer comes that is older", async () => {
  const server = { videos: [video("a", { status: "completed" })] };
  const { list, shown } = listOf(server);
  const asked = list.ask();
  list.add(video("b", { status: "awaiting_upload" }));
  list.put(video("b", { updated_at: "2026-01-01T00:00:01Z" }));
  await asked;
  expect(shown()).toEqual(["b queued", "a completed"]);

  server.videos = [video("b", { status: "awaiting_upload" }), ...server.videos];
  await list.ask();
  expect(shown()).toEqual(["b queued", "a completed"]);
});

test("a new video that the server does not show yet is no error", async () => {
  const { list, shown } = listOf({ videos: [] });
  await list.ask();
  list.add(video("a"));
  await list.ask();
  expect([list.error.value, shown()]).toEqual(["", ["a queued"]]);
});

test("a new video that the server never lists is gone after a while", async () => {
  vi.useFakeTimers();
  const { list, shown } = listOf({ videos: [] });
  list.add(video("a"));
  await list.ask();
  expect(shown()).toEqual(["a queued"]);
  vi.advanceTimersByTime(61_000);
  await list.ask();
  expect(shown()).toEqual([]);
});

test("a new video is not shown among those of another status", async () => {
  const { list, shown } = listOf({ videos: [] });
  list.show("failed");
  list.add(video("a"));
  await list.ask();
  expect(shown()).toEqual([]);
});

test("a deleted video is gone, though the server still lists it", async () => {
  const { list, shown } = listOf({ videos: [video("a"), video("b")] });
  await list.ask();
  await list.remove("a");
  list.refresh();
  await list.ask();
  expect(shown()).toEqual(["b queued"]);
});

test("what was shown below the first page stays below it", async () => {
  const server: { videos: Video[]; next_cursor?: string } = { videos: [video("c", { created_at: "2026-01-03T00:00:00Z" })], next_cursor: "x" };
  const { list, shown } = listOf(server);
  await list.ask();
  server.videos = [video("b", { created_at: "2026-01-02T00:00:00Z" })];
  await list.more();
  server.videos = [video("d", { created_at: "2026-01-04T00:00:00Z" }), video("c", { created_at: "2026-01-03T00:00:00Z" })];
  list.refresh();
  await list.ask();
  expect(shown()).toEqual(["d queued", "c queued", "b queued"]);
});

test("that a video has ended is announced, and once", async () => {
  const server = { videos: [video("a")] };
  const { list, announced } = listOf(server);
  await list.ask();
  server.videos = [video("a", { status: "completed", updated_at: "2026-01-01T00:00:01Z" })];
  await list.ask();
  await list.ask();
  expect(announced).toEqual(["a completed"]);
});

/** A list whose server tags its pages and says when one is the same. */
function taggedList() {
  const server = { videos: [video("a", { status: "completed" })], sent: [] as number[] };
  const { around } = surroundings(() => undefined);
  const body = () => ({ videos: server.videos });
  around.api.request = async <T>(_: string, path: string, request: { headers?: Record<string, string> } = {}) => {
    const etag = `"${path} ${JSON.stringify(body())}"`;
    const status = request.headers?.["If-None-Match"] === etag ? 304 : 200;
    server.sent.push(status);
    return { status, body: (status === 304 ? {} : body()) as T, etag };
  };
  const list = new VideoList(around);
  const again = async () => {
    list.refresh();
    await list.ask();
    return list.list.value?.map(({ id }) => id);
  };
  return { server, list, again };
}

test("a list that has not changed is not sent again, and stays", async () => {
  const { server, again } = taggedList();
  expect(await again()).toEqual(["a"]);
  expect(await again()).toEqual(["a"]);
  server.videos = [video("b"), ...server.videos];
  expect(await again()).toEqual(["b", "a"]);
  expect(await again()).toEqual(["b", "a"]);
  expect(server.sent).toEqual([200, 304, 200, 304]);
});

test("a video that was deleted stays away, though the list that has it is not sent again", async () => {
  const { server, list, again } = taggedList();
  await again();
  server.videos = [video("b", { status: "completed" }), ...server.videos];
  await again();
  await list.remove("b");
  expect(await again()).toEqual(["a"]);
  expect(server.sent).toEqual([200, 200, 304]);
});

test("a list of another status, or after a logout, is asked for as if never before", async () => {
  const { server, list, again } = taggedList();
  await again();
  list.show("completed");
  await list.ask();
  list.show("");
  await again();
  list.forget();
  await again();
  expect(server.sent).not.toContain(304);
});
