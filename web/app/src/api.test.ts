import { expect, test } from "vitest";
import { Api, Problem, Unreachable } from "./api";
import type { NewVideo } from "./types";

type Reply = { status?: number; body?: unknown; headers?: Record<string, string> } | Error;

/** An API that answers as told, and keeps what it was asked. */
function fake(answer: (path: string, token: string | null, body: string | null) => Reply) {
  const asked: string[] = [];
  const traces: (string | null)[] = [];
  let ended = 0;
  let last: Promise<void> = Promise.resolve();
  const api = new Api({
    fetch: async (input, init) => {
      const headers = new Headers(init!.headers);
      const token = headers.get("Authorization")?.replace("Bearer ", "") ?? null;
      traces.push(headers.get("Traceparent"));
      asked.push(`${init!.method} ${input} ${token ?? "-"} ${headers.get("Accept-Language")}`);
      const reply = answer(String(input), token, init!.body as string | null);
      if (reply instanceof Error) throw reply;
      const body = reply.body === undefined ? null : typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body);
      return new Response(body, { status: reply.status ?? 200, headers: reply.headers ?? {} });
    },
    alone: (run) => (last = last.then(run, run)),
    language: () => "pt-BR",
    ended: () => { ended++; },
  });
  return { api, asked, traces, ended: () => ended };
}

const unauthorized: Reply = { status: 401, body: { code: "unauthorized", detail: "Log in." } };

test("the first call gets an access token for the cookie", async () => {
  const { api, asked } = fake((path) => (path === "/v1/auth/refresh" ? { body: { access_token: "a" } } : { body: { ok: true } }));
  expect(await api.call("GET", "/x")).toEqual({ ok: true });
  expect(asked).toEqual(["POST /v1/auth/refresh - pt-BR", "GET /v1/x a pt-BR"]);
});

test("a spent token is renewed once, however many calls find that", async () => {
  let renewals = 0;
  const { api, asked } = fake((path, token) => {
    if (path === "/v1/auth/login") return { body: { access_token: "old" } };
    if (path === "/v1/auth/refresh") return { body: { access_token: `new${++renewals}` } };
    return token === "old" ? unauthorized : { body: { token } };
  });
  await api.login("a@example.com", "secret");
  expect(await Promise.all([api.call("GET", "/a"), api.call("GET", "/b"), api.call("GET", "/c")])).toEqual(Array(3).fill({ token: "new1" }));
  expect(asked.filter((line) => line.includes("refresh"))).toHaveLength(1);
});

test("a call that is refused with a new token too is not said for ever", async () => {
  const { api, asked } = fake((path) => (path === "/v1/auth/refresh" ? { body: { access_token: "a" } } : unauthorized));
  await expect(api.call("GET", "/x")).rejects.toMatchObject({ code: "unauthorized" });
  expect(asked).toHaveLength(4);
});

test("a session that was ended is told", async () => {
  const { api, ended } = fake(() => ({ status: 401, body: { code: "session_revoked", detail: "Log in again." } }));
  await expect(api.call("GET", "/x")).rejects.toBeInstanceOf(Problem);
  expect(ended()).toBe(1);
});

test("a broken network ends no session", async () => {
  const { api, ended } = fake(() => new TypeError("Failed to fetch"));
  await expect(api.call("GET", "/x")).rejects.toBeInstanceOf(Unreachable);
  expect(ended()).toBe(0);
});

test("a proxy's error page is no answer of ours", async () => {
  const { api } = fake((path) => (path === "/v1/auth/refresh" ? { body: { access_token: "a" } } : { status: 502, body: "<html>" }));
  await expect(api.call("GET", "/x")).rejects.toBeInstanceOf(Unreachable);
});

test("a problem is told in its sentence, with the members it is about", async () => {
  const { api } = fake(() => ({
    status: 422,
    body: { code: "invalid_extraction", detail: "Change the options.", errors: [{ location: "body.extraction.fps", message: "must be more than 0" }] },
  }));
  await expect(api.open("POST", "/videos", {})).rejects.toMatchObject({
    message: "Change the options. fps: must be more than 0", code: "invalid_extraction", status: 422,
  });
});

test("what has not changed comes as 304, with no body", async () => {
  const { api } = fake((path) => (path === "/v1/auth/refresh" ? { body: { access_token: "a" } } : { status: 304, headers: { ETag: '"1"' } }));
  expect(await api.request("GET", "/videos/1", { headers: { "If-None-Match": '"1"' } })).toMatchObject({ status: 304, etag: '"1"' });
});

test("all of one upload names one trace, and nothing else does", async () => {
  const { api, traces } = fake((path) => ({ body: path === "/v1/auth/refresh" ? { access_token: "a" } : {} }));
  const key = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
  await api.call("GET", "/x");
  await api.create(key, { filename: "a.mp4", size: 1, content_type: "video/mp4", extraction: {} as NewVideo["extraction"] });
  await api.complete(key, "v");
  const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-a3ce929d0e0e4736-01";
  expect(traces).toEqual([null, null, trace, trace]);
});

test("a problem names the trace under which the server has it", async () => {
  const { api } = fake((path) => (path === "/v1/auth/refresh" ? { body: { access_token: "a" } } : { status: 500, body: { code: "internal", trace_id: "4bf9" } }));
  await expect(api.call("GET", "/x")).rejects.toMatchObject({ trace: "4bf9" });
});
