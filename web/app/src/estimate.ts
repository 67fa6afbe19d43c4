// What an extraction will give, as far as can be told before.

import type { Extraction, Format } from "./types";

/** What is known of a video: seconds, and pixels. */
export interface Known { duration: number; width: number; height: number }

export interface Estimate {
  /** How many frames; null where only the video's content decides. */
  frames: number | null;
  /** Whether the number is exact, for a video that lasts as long as it says. */
  exact: boolean;
  /** The archive, in bytes; null where the frames are not known. */
  size: number | null;
}

/** Frames a second that most videos have, for modes that count pictures. */
const usualRate = 30;

// Bytes a pixel takes in an image of ordinary footage, at the default quality.
const density: Record<Format, number> = { jpeg: 0.22, webp: 0.11, png: 1.5 };

export function estimate(x: Extraction, video: Known): Estimate {
  const found = count(x, video.duration);
  const frames = found.frames === null ? null : Math.min(found.frames, x.max_frames ?? Infinity);
  const exact = found.exact && !x.dedupe;
  return { frames, exact, size: frames === null ? null : frames * imageSize(x, video) };
}

function count(x: Extraction, duration: number): { frames: number | null; exact: boolean } {
  const range = Math.max(0, Math.min(x.end ?? Infinity, duration) - (x.start ?? 0));
  const steps = (each: number) => Math.ceil(Number((range / each).toFixed(6))); // 0.1 * 3 is no more than 0.3
  switch (x.mode) {
    case "fps": return { frames: steps(1 / (x.fps ?? 1)), exact: true };
    case "interval": return { frames: steps(x.interval ?? 1), exact: true };
    case "count": return { frames: range > 0 ? x.count ?? 1 : 0, exact: true };
    case "timestamps": return { frames: (x.timestamps ?? []).filter((t) => t < duration).length, exact: true };
    case "every_nth": return { frames: Math.ceil((range * usualRate) / (x.every_nth ?? 1)), exact: false };
    default: return { frames: null, exact: false };
  }
}

/** The size of one image, in bytes. */
function imageSize(x: Extraction, video: Known): number {
  const format = x.format ?? "jpeg";
  let scale = 1;
  if (video.width > 0 && video.height > 0) {
    scale = Math.min((x.width ?? Infinity) / video.width, (x.height ?? Infinity) / video.height);
    if (!Number.isFinite(scale)) scale = 1;
  }
  const pixels = (video.width || 1920) * (video.height || 1080) * scale ** 2;
  // From a quarter at quality 50 to twice as much at 100.
  const quality = format === "png" ? 1 : 2 ** (((x.quality ?? 90) - 90) / (x.quality !== undefined && x.quality > 90 ? 10 : 20));
  return Math.round(pixels * density[format] * quality);
}
