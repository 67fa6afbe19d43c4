// The form of extraction options: what stands in its fields, and what that asks for.

import type { Extraction, Format, Mode } from "./types";

type Text = "interval" | "fps" | "count" | "every_nth" | "threshold" | "timestamps" | "start" | "end" | "max_frames" | "quality" | "width" | "height";

export interface Draft extends Record<Text, string> {
  mode: Mode;
  format: Format;
  fit: NonNullable<Extraction["fit"]>;
  dedupe: boolean;
  sprite: boolean;
}

export const defaults: Draft = {
  mode: "interval", interval: "1", fps: "5", count: "12", every_nth: "30", threshold: "0.3", timestamps: "",
  start: "", end: "", max_frames: "", format: "jpeg", quality: "90", width: "", height: "", fit: "contain",
  dedupe: false, sprite: true,
};

/** The field that belongs to a mode. */
export const fieldOf: Partial<Record<Mode, Text>> = {
  interval: "interval", fps: "fps", count: "count", every_nth: "every_nth", scenes: "threshold", timestamps: "timestamps",
};

const numbers: Text[] = ["start", "end", "max_frames", "width", "height"];

/** What a draft asks for. Fields that do not belong to it are left out. */
export function extractionOf(draft: Draft): Extraction {
  const x: Extraction = { mode: draft.mode, format: draft.format };
  const own = fieldOf[draft.mode];
  if (own === "timestamps") x.timestamps = timesOf(draft.timestamps);
  else if (own && draft[own] !== "") Object.assign(x, { [own]: Number(draft[own]) });
  for (const name of numbers) {
    const ranged = name === "start" || name === "end";
    if (draft[name] !== "" && !(ranged && draft.mode === "timestamps")) Object.assign(x, { [name]: Number(draft[name]) });
  }
  if (draft.format !== "png" && draft.quality !== "") x.quality = Number(draft.quality);
  if (draft.width !== "" && draft.height !== "") x.fit = draft.fit;
  if (draft.dedupe) x.dedupe = true;
  if (draft.sprite) x.sprite = true;
  return x;
}

/** Seconds from a text such as "0 2,5 61.04", in order. */
export function timesOf(text: string): number[] {
  return text.split(/[\s;]+/).filter(Boolean).map((n) => Number(n.replace(",", "."))).filter(Number.isFinite).sort((a, b) => a - b);
}

/** The draft that asks for an extraction. */
export function draftOf(x: Extraction): Draft {
  const draft = { ...defaults, mode: x.mode, format: x.format ?? "jpeg", fit: x.fit ?? "contain", dedupe: x.dedupe ?? false, sprite: x.sprite ?? false };
  for (const name of [...numbers, "interval", "fps", "count", "every_nth", "threshold", "quality"] as const) {
    if (x[name] !== undefined) draft[name] = String(x[name]);
  }
  if (x.timestamps) draft.timestamps = x.timestamps.join(" ");
  return draft;
}
