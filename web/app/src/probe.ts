import type { Known } from "./estimate";

/**
 * probe reads how long and how large a video is, where the browser can play it; null
 * where it cannot.
 */
export function probe(file: File): Promise<Known | null> {
  return new Promise((resolve) => {
    const video = document.createElement("video");
    const url = URL.createObjectURL(file);
    const done = (known: Known | null) => {
      clearTimeout(timer);
      video.onloadedmetadata = video.onerror = null;
      video.removeAttribute("src");
      video.load(); // it reads no more
      URL.revokeObjectURL(url);
      resolve(known);
    };
    const timer = setTimeout(() => done(null), 8000);
    video.preload = "metadata";
    video.onloadedmetadata = () =>
      done(Number.isFinite(video.duration) && video.duration > 0 ? { duration: video.duration, width: video.videoWidth, height: video.videoHeight } : null);
    video.onerror = () => done(null);
    video.src = url;
  });
}
