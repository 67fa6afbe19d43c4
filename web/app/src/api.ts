// The HTTP API, and the session that it is called in.

import type { NewVideo, ProblemBody, Registered, Tokens, Video } from "./types";

/** An RFC 9457 problem: its message is a sentence that tells a person what to do. */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  /** Names what happened in the server's log. */
  readonly trace: string;

  constructor(status: number, body: ProblemBody) {
    const members = (body.errors ?? []).map((e) => [e.location?.split(".").pop(), e.message].filter(Boolean).join(": "));
    super([body.detail ?? "", ...members].filter(Boolean).join(" "));
    this.code = body.code ?? "";
    this.status = status;
    this.trace = body.trace_id ?? "";
  }
}

/** The server did not answer at all, or not as it does. */
export class Unreachable extends Error {
  constructor() {
    super("the server cannot be reached"); // for logs; people are told in their language
  }
}

/**
 * The header (W3C Trace Context) by which the server knows what belongs to one upload,
 * from its first request to the mail: the trace is the upload's key, a random UUID.
 */
export function traceOf(key: string): Record<string, string> {
  const id = key.replaceAll("-", "");
  return { Traceparent: `00-${id}-${id.slice(16)}-01` };
}

export interface CompletedPart { part_number: number; etag: string }

export interface Answer<T> { status: number; body: T; etag: string | null }

interface Request { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal }

export interface Surroundings {
  fetch: typeof fetch;
  /** Runs one at a time of all tabs: a refresh token that comes twice ends the session. */
  alone: (run: () => Promise<void>) => Promise<void>;
  language: () => string;
  /** The session has ended. */
  ended: () => void;
}

/**
 * Api calls the API below /v1. The access token is kept in memory only; the refresh
 * token is in a cookie that no script can read.
 */
export class Api {
  private token: string | null = null;

  constructor(private readonly around: Surroundings) {}

  /** Calls without a session. */
  async open<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await this.send<T>(method, path, { body }, null)).body;
  }

  async login(email: string, password: string): Promise<void> {
    this.token = (await this.open<Tokens>("POST", "/auth/login", { email, password, cookie: true })).access_token;
  }

  forget(): void {
    this.token = null;
  }

  /** Calls in the session, whose access token it renews once if that is refused. */
  async request<T>(method: string, path: string, request: Request = {}): Promise<Answer<T>> {
    if (this.token === null) await this.renew(null);
    const used = this.token;
    try {
      return await this.send<T>(method, path, request, used);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "unauthorized") throw error;
    }
    await this.renew(used);
    return this.send<T>(method, path, request, this.token);
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await this.request<T>(method, path, { body })).body;
  }

  /** Registers a video; the same key gives the same one again, with an upload that is signed anew. */
  async create(key: string, body: NewVideo): Promise<Registered> {
    return (await this.request<Registered>("POST", "/videos", { body, headers: { "Idempotency-Key": key, ...traceOf(key) } })).body;
  }

  /** Says that an upload, which create began with a key, is complete. */
  async complete(key: string, id: string, parts?: CompletedPart[]): Promise<Video> {
    return (await this.request<Video>("POST", `/videos/${id}/complete`, { body: parts ? { parts } : {}, headers: traceOf(key) })).body;
  }

  private renew(spent: string | null): Promise<void> {
    return this.around.alone(async () => {
      if (this.token !== spent) return; // another call did it
      try {
        this.token = (await this.open<Tokens>("POST", "/auth/refresh", {})).access_token;
      } catch (error) {
        if (error instanceof Problem && ["session_revoked", "unauthorized", "cross_site"].includes(error.code)) {
          this.token = null;
          this.around.ended();
        }
        throw error;
      }
    });
  }

  private async send<T>(method: string, path: string, request: Request, bearer: string | null): Promise<Answer<T>> {
    const headers: Record<string, string> = { "Accept-Language": this.around.language(), ...request.headers };
    if (bearer !== null) headers.Authorization = `Bearer ${bearer}`;
    if (request.body !== undefined) headers["Content-Type"] = "application/json";
    let response: Response;
    let text: string;
    try {
      const body = request.body === undefined ? null : JSON.stringify(request.body);
      response = await this.around.fetch(`/v1${path}`, { method, headers, body, signal: request.signal ?? null });
      text = await response.text();
    } catch (error) {
      if (request.signal?.aborted) throw error;
      throw new Unreachable();
    }
    const answer = parse(text);
    if (!response.ok && response.status !== 304) {
      if (answer === undefined) throw new Unreachable(); // a proxy's page
      throw new Problem(response.status, answer);
    }
    return { status: response.status, body: answer as T, etag: response.headers.get("ETag") };
  }
}

function parse(text: string) {
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
