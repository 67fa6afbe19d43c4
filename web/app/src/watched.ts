// One video, kept up to date while somebody looks.

import { computed, signal } from "@preact/signals";
import { Problem } from "./api";
import { newer, underWay, type Surroundings } from "./list";
import { keepAsking, Poll } from "./poll";
import type { Video } from "./types";

/** So many answers without the video in a row mean that it is not there. */
const tries = 4; // within some seven seconds

export class Watched {
  readonly video = signal<Video | null>(null);
  readonly error = signal("");
  /** Whether it is not there: what one reads follows what one did, so one answer does not tell. */
  readonly missing = computed(() => this.misses.value >= tries);
  /** Whether it may not be there yet. */
  readonly awaited = computed(() => this.misses.value > 0 && !this.missing.value);

  private readonly misses = signal(0);
  private tag: string | null = null;
  private readonly poll = new Poll(() => this.ask());

  constructor(private readonly id: string, private readonly around: Surroundings) {}

  /** Keeps it up to date. @returns what ends that */
  watch(): () => void {
    return keepAsking(this.poll);
  }

  /** Asks now, as if never before. */
  refresh(): void {
    this.misses.value = 0;
    void this.poll.wake();
  }

  /** What is now known of it. */
  put(video: Video): void {
    this.video.value = newer(this.video.value ?? undefined, video);
    this.refresh();
  }

  /** Asks for what may have changed. @returns whether there is news to be expected soon */
  async ask(): Promise<boolean> {
    try {
      const answer = await this.around.api.request<Video>("GET", `/videos/${this.id}`, this.tag ? { headers: { "If-None-Match": this.tag } } : {});
      this.misses.value = 0;
      if (answer.status !== 304) this.take(answer.body, answer.etag);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) {
        this.error.value = this.around.explain(error);
        throw error;
      }
      this.misses.value++;
    }
    this.error.value = "";
    return this.video.value !== null && underWay(this.video.value);
  }

  private take(answer: Video, tag: string | null): void {
    const before = this.video.value;
    this.tag = tag;
    this.video.value = newer(before ?? undefined, answer);
    if (before && before.status !== this.video.value.status) this.around.announce(this.video.value);
  }
}
