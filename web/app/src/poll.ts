// Asking again and again, but no more than is of use.

export interface Timing {
  /** Milliseconds between questions, at least and at most. */
  least: number;
  most: number;
  hidden: () => boolean;
  wait: (run: () => void, milliseconds: number) => unknown;
  cancel: (timer: unknown) => void;
}

export const browserTiming: Timing = {
  least: 1000,
  most: 30_000,
  hidden: () => document.hidden,
  wait: (run, milliseconds) => setTimeout(run, milliseconds),
  cancel: (timer) => clearTimeout(timer as number),
};

/**
 * Poll asks at once and then again: often while there is news, ever more seldom while
 * there is none or no answer comes, not at all while the page is hidden.
 */
export class Poll {
  private timer: unknown;
  private pause: number;
  private running = false;
  private asking = false;
  private again = false;

  /** @param ask tells whether there is news to be expected soon */
  constructor(private readonly ask: () => Promise<boolean>, private readonly timing: Timing = browserTiming) {
    this.pause = timing.least;
  }

  start(): void {
    this.running = true;
    void this.wake();
  }

  stop(): void {
    this.running = false;
    this.timing.cancel(this.timer);
  }

  /** Asks now: something was done, or the page is seen again. */
  async wake(): Promise<void> {
    this.pause = this.timing.least;
    await this.once();
  }

  private async once(): Promise<void> {
    this.timing.cancel(this.timer);
    if (!this.running || this.timing.hidden()) return;
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    let soon = false;
    try {
      soon = await this.ask();
      this.pause = soon ? this.timing.least : this.slower(1.5);
    } catch {
      this.pause = this.slower(2); // who asks has shown it
    }
    this.asking = false;
    if (!this.running) return;
    const pause = this.again ? 0 : this.pause;
    this.again = false;
    this.timer = this.timing.wait(() => void this.once(), pause);
  }

  private slower(factor: number): number {
    return Math.min(this.pause * factor, this.timing.most);
  }
}

/**
 * Asks while somebody looks, and at once when the page is seen again or the network is
 * back. @returns what ends that
 */
export function keepAsking(poll: Poll): () => void {
  const wake = () => void poll.wake();
  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  poll.start();
  return () => {
    document.removeEventListener("visibilitychange", wake);
    removeEventListener("online", wake);
    poll.stop();
  };
}
