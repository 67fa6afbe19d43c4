import { describe, expect, test } from "vitest";
import { estimate } from "./estimate";

const video = { duration: 30, width: 854, height: 480 };
const frames = (x: Parameters<typeof estimate>[0], duration = 30) => estimate(x, { ...video, duration }).frames;

describe("how many frames an extraction gives", () => {
  test("one every so many seconds, the first at once", () => {
    expect(frames({ mode: "interval", interval: 1 })).toBe(30);
    expect(frames({ mode: "interval", interval: 7 })).toBe(5);
    expect(frames({ mode: "interval", interval: 100 })).toBe(1);
    expect(frames({ mode: "interval", interval: 0.1 }, 0.3)).toBe(3);
  });
  test("so many a second", () => expect(frames({ mode: "fps", fps: 2.5 })).toBe(75));
  test("as many as are counted", () => expect(frames({ mode: "count", count: 12 })).toBe(12));
  test("at times within the video", () => expect(frames({ mode: "timestamps", timestamps: [0, 29.9, 30, 31] })).toBe(2));
  test("in a part of the video", () => {
    expect(frames({ mode: "interval", interval: 1, start: 10, end: 15 })).toBe(5);
    expect(frames({ mode: "interval", interval: 1, start: 25, end: 60 })).toBe(5);
    expect(frames({ mode: "count", count: 3, start: 31 })).toBe(0);
  });
  test("no more than the most", () => expect(frames({ mode: "fps", fps: 10, max_frames: 7 })).toBe(7));
  test("unknown where the content decides", () => {
    expect(frames({ mode: "scenes" })).toBeNull();
    expect(frames({ mode: "keyframes" })).toBeNull();
  });
  test("only about so many where pictures are counted or left out", () => {
    expect(estimate({ mode: "every_nth", every_nth: 30 }, video)).toMatchObject({ frames: 30, exact: false });
    expect(estimate({ mode: "count", count: 3, dedupe: true }, video).exact).toBe(false);
    expect(estimate({ mode: "count", count: 3 }, video).exact).toBe(true);
  });
});

describe("how large the archive is", () => {
  const size = (x: object) => estimate({ mode: "count", count: 10, ...x }, video).size!;
  test("it grows with the frames", () => expect(size({ count: 20 })).toBe(2 * size({})));
  test("a quarter at half the width", () => expect(size({ width: 427 })).toBeCloseTo(size({}) / 4, -3));
  test("the smaller of width and height counts", () => expect(size({ width: 854, height: 240 })).toBe(size({ height: 240 })));
  test("PNG takes most, WebP least", () => {
    expect(size({ format: "png" })).toBeGreaterThan(size({}));
    expect(size({ format: "webp" })).toBeLessThan(size({}));
  });
  test("quality counts, but not for PNG", () => {
    expect(size({ quality: 50 })).toBeLessThan(size({ quality: 90 }));
    expect(size({ quality: 100 })).toBeGreaterThan(size({ quality: 90 }));
    expect(size({ format: "png", quality: 50 })).toBe(size({ format: "png" }));
  });
  test("as Big Buck Bunny gave, within twice: 30 frames in 1.55 MB", () => {
    const bytes = estimate({ mode: "interval", interval: 1 }, video).size!;
    expect(bytes).toBeGreaterThan(0.78e6);
    expect(bytes).toBeLessThan(3.1e6);
  });
});
