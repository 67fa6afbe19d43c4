import { expect, test } from "vitest";
import { defaults, draftOf, extractionOf, timesOf } from "./options";
import type { Extraction } from "./types";

test("by default: one JPEG a second, with thumbnails", () => {
  expect(extractionOf(defaults)).toEqual({ mode: "interval", interval: 1, format: "jpeg", quality: 90, sprite: true });
});

test("only what belongs to the mode and the format is asked for", () => {
  expect(extractionOf({ ...defaults, mode: "keyframes", format: "png", sprite: false })).toEqual({ mode: "keyframes", format: "png" });
  expect(extractionOf({ ...defaults, mode: "timestamps", timestamps: "3", start: "1", end: "9" })).not.toHaveProperty("start");
  expect(extractionOf({ ...defaults, width: "320" })).not.toHaveProperty("fit");
});

test("times may have commas, and come in any order", () => {
  expect(timesOf(" 61.04 2,5; 0\n")).toEqual([0, 2.5, 61.04]);
});

test("a draft of an extraction asks for the same again", () => {
  const wanted: Extraction[] = [
    { mode: "scenes", threshold: 0.5, format: "webp", quality: 70, width: 320, height: 240, fit: "cover", dedupe: true },
    { mode: "timestamps", timestamps: [0, 2.5], format: "png", sprite: true },
    { mode: "fps", fps: 2, start: 1, end: 5, max_frames: 9, format: "jpeg", quality: 90 },
  ];
  for (const x of wanted) expect(extractionOf(draftOf(x))).toEqual(x);
});
