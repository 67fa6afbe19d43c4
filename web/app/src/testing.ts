// What several tests need.

import type { Answer } from "./api";
import type { Surroundings } from "./list";
import type { Video } from "./types";

/** A video as the API has it. */
export function video(id: string, members: Partial<Video> = {}): Video {
  const at = "2026-01-01T00:00:00Z";
  return {
    id, filename: `${id}.mp4`, size: 1, content_type: "video/mp4", status: "queued", progress: 0, extraction: { mode: "keyframes" },
    created_at: at, updated_at: at, expires_at: at, ...members,
  };
}

/** Surroundings whose API answers as told; they keep what was announced. */
export function surroundings(answer: (path: string) => unknown) {
  const announced: string[] = [];
  const request = async <T>(_: string, path: string): Promise<Answer<T>> => ({ status: 200, body: (await answer(path)) as T, etag: null });
  const around: Surroundings = {
    api: { request, call: async <T>(method: string, path: string) => (await request<T>(method, path)).body },
    explain: (error) => (error as Error).message,
    announce: ({ id, status }) => announced.push(`${id} ${status}`),
  };
  return { around, announced };
}
