// The list of videos, kept up to date while somebody looks.

import { signal } from "@preact/signals";
import type { Answer } from "./api";
import { t } from "./i18n";
import { Poll } from "./poll";
import { announcement, api, explain, onLeave } from "./state";
import type { Extraction, Status, Video } from "./types";

/** Videos a page of the list has. */
const pageSize = 24;
/** With more than so many under way, the list is asked for instead of each. */
const single = 5;
/** Milliseconds after which the list is asked for anew, for what others add. */
const listAge = 30_000;

const underWay = (video: Video) => video.status === "queued" || video.status === "processing";

/**
 * The newer of what is known of a video and an answer: what one reads follows what one
 * did, but not at once.
 */
export const newer = (known: Video | undefined, answer: Video) =>
  (known && Date.parse(known.updated_at) > Date.parse(answer.updated_at) ? known : answer);

class Videos {
  readonly list = signal<Video[] | null>(null);
  readonly filter = signal<Status | "">("");
  readonly cursor = signal<string | null>(null);
  readonly error = signal("");

  private readonly gone = new Set<string>();
  private readonly tags = new Map<string, string>();
  private listed = 0;
  private readonly poll = new Poll(() => this.ask());

  watch(): () => void {
    const seen = () => void this.poll.wake();
    document.addEventListener("visibilitychange", seen);
    addEventListener("online", seen);
    this.poll.start();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("online", seen);
      this.poll.stop();
    };
  }

  /** Asks for the list anew. */
  refresh(): void {
    this.listed = 0;
    void this.poll.wake();
  }

  show(filter: Status | ""): void {
    this.filter.value = filter;
    this.list.value = null;
    this.cursor.value = null;
    this.refresh();
  }

  async more(): Promise<void> {
    const page = await this.page(this.cursor.value);
    this.cursor.value = page.next_cursor ?? null;
    const known = new Set(this.list.value?.map((video) => video.id));
    this.list.value = [...(this.list.value ?? []), ...page.videos.filter((video) => !known.has(video.id))];
  }

  /** A new video, on top. */
  add(video: Video): void {
    if (this.list.value && !this.list.value.some((other) => other.id === video.id) && !this.filter.value) {
      this.list.value = [video, ...this.list.value];
    }
  }

  /** What is now known of a video. */
  put(video: Video): void {
    const before = this.list.value?.find((other) => other.id === video.id);
    if (!before || this.gone.has(video.id) || newer(before, video) === before) return;
    if (before.status !== video.status && ["completed", "failed", "cancelled"].includes(video.status)) {
      announcement.value = t.announce(video.filename, t[`status_${video.status}`]);
    }
    this.list.value = this.list.value!.map((other) => (other.id === video.id ? video : other));
  }

  async cancel(id: string): Promise<void> {
    await api.call("POST", `/videos/${id}/cancel`);
    this.refresh();
  }

  async retry(id: string, extraction: Extraction): Promise<Video> {
    const video = await api.call<Video>("POST", `/videos/${id}/retry`, { extraction });
    this.tags.delete(id);
    this.put(video);
    void this.poll.wake();
    return video;
  }

  async remove(id: string): Promise<void> {
    await api.call("DELETE", `/videos/${id}`);
    this.gone.add(id); // the list may still have it for a moment
    this.list.value = this.list.value?.filter((video) => video.id !== id) ?? null;
  }

  forget(): void {
    this.list.value = null;
    this.cursor.value = null;
    this.filter.value = "";
    this.error.value = "";
    this.tags.clear();
    this.listed = 0;
  }

  private async ask(): Promise<boolean> {
    try {
      const active = this.list.value?.filter(underWay) ?? [];
      if (this.list.value === null || active.length > single || Date.now() - this.listed > listAge) await this.first();
      else await Promise.all(active.map((video) => this.one(video.id)));
      this.error.value = "";
    } catch (error) {
      this.error.value = explain(error);
      throw error;
    }
    return this.list.value?.some(underWay) ?? false;
  }

  private async first(): Promise<void> {
    const filter = this.filter.value;
    const page = await this.page(null);
    if (filter !== this.filter.value) return; // another was chosen meanwhile
    this.listed = Date.now();
    const before = this.list.value;
    if (before === null) {
      this.list.value = page.videos;
      this.cursor.value = page.next_cursor ?? null;
      return;
    }
    const fresh = new Set(page.videos.map((video) => video.id));
    for (const video of page.videos) this.put(video);
    // Below the page stands what was shown before; within it, what is no more is gone.
    const last = page.videos.at(-1);
    const below = last && page.next_cursor ? before.filter((video) => video.created_at < last.created_at && !fresh.has(video.id)) : [];
    const known = new Map(this.list.value?.map((video) => [video.id, video]));
    this.list.value = [...page.videos.map((video) => newer(known.get(video.id), video)), ...below];
  }

  private async one(id: string): Promise<void> {
    const tag = this.tags.get(id);
    const answer: Answer<Video> = await api.request("GET", `/videos/${id}`, tag ? { headers: { "If-None-Match": tag } } : {});
    if (answer.status === 304) return;
    if (answer.etag) this.tags.set(id, answer.etag);
    this.put(answer.body);
  }

  private async page(cursor: string | null): Promise<{ videos: Video[]; next_cursor?: string }> {
    const query = new URLSearchParams({ limit: String(pageSize) });
    if (this.filter.value) query.set("status", this.filter.value);
    if (cursor) query.set("cursor", cursor);
    const page = await api.call<{ videos: Video[]; next_cursor?: string }>("GET", `/videos?${query}`);
    return { ...page, videos: page.videos.filter((video) => !this.gone.has(video.id)) };
  }
}

export const videos = new Videos();
onLeave(() => videos.forget());
