// The list of videos, kept up to date while somebody looks.

import { signal } from "@preact/signals";
import { Problem, type Api } from "./api";
import { keepAsking, Poll } from "./poll";
import type { Extraction, Status, Video, VideoPage } from "./types";

/** Videos a page of the list has. */
const pageSize = 24;
/** With more than so many under way, the list is asked for instead of each. */
const single = 5;
/** Milliseconds after which the list is asked for anew, for what others add. */
const listAge = 30_000;
/** Milliseconds for which an answer may not have a new video yet. */
const lag = 60_000;

export interface Surroundings {
  api: Pick<Api, "request" | "call">;
  /** What to tell a person of an error. */
  explain: (error: unknown) => string;
  /** Says that a video has another status. */
  announce: (video: Video) => void;
}

/** Whether it changes without anybody doing something. */
export const underWay = ({ status }: Video) => status === "queued" || status === "processing";

/** Whether it has been processed, so or so, and can be again. */
export const ended = ({ status }: Video) => status === "completed" || status === "failed" || status === "cancelled";

/**
 * The newer of what is known of a video and an answer: what one reads follows what one
 * did, but not at once.
 */
export const newer = (known: Video | undefined, answer: Video) =>
  (known && Date.parse(known.updated_at) > Date.parse(answer.updated_at) ? known : answer);

export class VideoList {
  readonly list = signal<Video[] | null>(null);
  readonly filter = signal<Status | "">("");
  readonly cursor = signal<string | null>(null);
  readonly error = signal("");

  private readonly gone = new Set<string>();
  // New videos that no answer has had, and since when.
  private readonly added = new Map<string, { video: Video; since: number }>();
  private readonly tags = new Map<string, string>();
  // The last answer for a first page that has a tag.
  private answered: { query: string; tag: string; page: VideoPage } | null = null;
  private listed = 0;
  private readonly poll = new Poll(() => this.ask());

  constructor(private readonly around: Surroundings) {}

  /** Keeps the list up to date. @returns what ends that */
  watch(): () => void {
    return keepAsking(this.poll);
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
    if (this.known(video.id)) return;
    this.added.set(video.id, { video, since: Date.now() });
    if (this.list.value && !this.filter.value) this.list.value = [video, ...this.list.value];
  }

  /** What is now known of a video. */
  put(video: Video): void {
    const before = this.known(video.id);
    if (!before || this.gone.has(video.id) || newer(before, video) === before) return;
    if (before.status !== video.status && ended(video)) this.around.announce(video);
    const added = this.added.get(video.id);
    if (added) added.video = video;
    this.list.value = this.list.value?.map((other) => (other.id === video.id ? video : other)) ?? null;
  }

  async cancel(id: string): Promise<void> {
    await this.around.api.call("POST", `/videos/${id}/cancel`);
    this.refresh();
  }

  async retry(id: string, extraction: Extraction): Promise<Video> {
    const video = await this.around.api.call<Video>("POST", `/videos/${id}/retry`, { extraction });
    this.tags.delete(id);
    this.put(video);
    void this.poll.wake();
    return video;
  }

  async remove(id: string): Promise<void> {
    await this.around.api.call("DELETE", `/videos/${id}`);
    this.gone.add(id); // the list may still have it for a moment
    this.added.delete(id);
    this.list.value = this.list.value?.filter((video) => video.id !== id) ?? null;
  }

  forget(): void {
    this.list.value = null;
    this.cursor.value = null;
    this.filter.value = "";
    this.error.value = "";
    this.added.clear();
    this.tags.clear();
    this.answered = null;
    this.listed = 0;
  }

  /** Asks for what may have changed. @returns whether there is news to be expected soon */
  async ask(): Promise<boolean> {
    try {
      const active = this.list.value?.filter(underWay) ?? [];
      if (this.list.value === null || active.length > single || Date.now() - this.listed > listAge) await this.first();
      else await Promise.all(active.map((video) => this.one(video.id)));
      this.error.value = "";
    } catch (error) {
      this.error.value = this.around.explain(error);
      throw error;
    }
    return this.list.value?.some(underWay) ?? false;
  }

  private async first(): Promise<void> {
    const filter = this.filter.value;
    const page = await this.page(null);
    if (filter !== this.filter.value) return; // another was chosen meanwhile
    this.listed = Date.now();
    if (this.list.value === null) this.cursor.value = page.next_cursor ?? null;
    for (const video of page.videos) this.put(video);
    const listed = page.videos.map((video) => newer(this.known(video.id), video));
    for (const video of listed) this.added.delete(video.id);
    // Above the page stands what is too new for it, below what was shown before; within
    // it, what is no more is gone.
    const above = this.tooNew();
    const there = new Set([...above, ...listed].map((video) => video.id));
    const last = listed.at(-1);
    const before = last && page.next_cursor ? this.list.value ?? [] : [];
    this.list.value = [...above, ...listed, ...before.filter((video) => video.created_at < last!.created_at && !there.has(video.id))];
  }

  private known(id: string): Video | undefined {
    return this.list.value?.find((video) => video.id === id) ?? this.added.get(id)?.video;
  }

  /** The newest first of the videos that were added, and that the server may not list yet. */
  private tooNew(): Video[] {
    for (const [id, { since }] of this.added) if (Date.now() - since > lag) this.added.delete(id);
    return this.filter.value ? [] : [...this.added.values()].map(({ video }) => video).reverse();
  }

  private async one(id: string): Promise<void> {
    const tag = this.tags.get(id);
    try {
      const answer = await this.around.api.request<Video>("GET", `/videos/${id}`, tag ? { headers: { "If-None-Match": tag } } : {});
      if (answer.status === 304) return;
      if (answer.etag) this.tags.set(id, answer.etag);
      this.put(answer.body);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      this.listed = 0; // whether it is gone, or not there yet, the list tells
    }
  }

  private async page(cursor: string | null): Promise<{ videos: Video[]; next_cursor?: string | undefined }> {
    const query = new URLSearchParams({ limit: String(pageSize) });
    if (this.filter.value) query.set("status", this.filter.value);
    if (cursor) query.set("cursor", cursor);
    const { videos, next_cursor } = cursor ? await this.around.api.call<VideoPage>("GET", `/videos?${query}`) : await this.polled(`${query}`);
    return { videos: (videos ?? []).filter((video) => !this.gone.has(video.id)), next_cursor };
  }

  /** A first page, which is sent only if it is another than the last time. */
  private async polled(query: string): Promise<VideoPage> {
    const known = this.answered?.query === query ? this.answered : null;
    const answer = await this.around.api.request<VideoPage>("GET", `/videos?${query}`, known ? { headers: { "If-None-Match": known.tag } } : {});
    if (known && answer.status === 304) return known.page;
    this.answered = answer.etag ? { query, tag: answer.etag, page: answer.body } : null;
    return answer.body;
  }
}
