import { formatBytes, formatNumber, formatRough, t } from "../i18n";
import { estimate, type Known } from "../estimate";
import { extractionOf, fieldOf, type Draft } from "../options";
import { modes } from "../types";
import { Check, Field, Select } from "./ui";

/** What the template's MaxFrames is by default. */
const maxFrames = 100_000;

/** The fields that say which frames are wanted. */
export function Options({ draft, change }: { draft: Draft; change: (draft: Draft) => void }) {
  const set = <K extends keyof Draft>(name: K, value: Draft[K]) => change({ ...draft, [name]: value });
  const number = (name: "start" | "end" | "max_frames" | "quality" | "width" | "height" | "interval" | "fps" | "count" | "every_nth" | "threshold",
    limits: { min: number; max?: number; step?: string }, hint?: string, required = false) => (
    <Field label={t[name]} hint={hint} type="number" inputMode={limits.step ? "decimal" : "numeric"} {...limits} required={required}
      name={name} value={draft[name]} onInput={(e) => set(name, e.currentTarget.value)} />
  );
  const own = fieldOf[draft.mode];
  const timed = draft.mode !== "timestamps";
  return (
    <div class="options">
      <div class="grid">
        <Select label={t.mode} value={draft.mode} onValue={(mode) => set("mode", mode)} options={modes.map((mode) => [mode, t[`mode_${mode}`]])} />
        {own === "interval" && number("interval", { min: 0.001, max: 86_400, step: "any" }, undefined, true)}
        {own === "fps" && number("fps", { min: 0.001, max: 1000, step: "any" }, undefined, true)}
        {own === "count" && number("count", { min: 1, max: 1_000_000 }, undefined, true)}
        {own === "every_nth" && number("every_nth", { min: 1, max: 1_000_000 }, undefined, true)}
        {own === "threshold" && number("threshold", { min: 0, max: 1, step: "any" }, undefined, true)}
        {own === "timestamps" && (
          <Field label={t.timestamps} name="timestamps" required placeholder="0 2.5 61" value={draft.timestamps} inputMode="text"
            pattern="\s*\d+([.,]\d+)?([\s;]+\d+([.,]\d+)?)*\s*" onInput={(e) => set("timestamps", e.currentTarget.value)} />
        )}
        <Select label={t.format} value={draft.format} onValue={(format) => set("format", format)}
          options={[["jpeg", "JPEG"], ["png", "PNG"], ["webp", "WebP"]]} />
      </div>
      <details>
        <summary>{t.more_options}</summary>
        <div class="grid">
          {timed && number("start", { min: 0, step: "any" }, t.range_hint)}
          {timed && number("end", { min: Number(draft.start) + 0.001, step: "any" }, t.range_hint)}
          {number("max_frames", { min: 1 })}
          {number("width", { min: 1, max: 16_384 }, t.size_hint)}
          {number("height", { min: 1, max: 16_384 }, t.size_hint)}
          {draft.width !== "" && draft.height !== "" && (
            <Select label={t.fit} value={draft.fit} onValue={(fit) => set("fit", fit)}
              options={[["contain", t.fit_contain], ["cover", t.fit_cover], ["fill", t.fit_fill], ["scale-down", t.fit_scale_down]]} />
          )}
          {draft.format !== "png" && number("quality", { min: 1, max: 100 })}
        </div>
      </details>
      <div class="checks">
        <Check label={t.dedupe} checked={draft.dedupe} onValue={(dedupe) => set("dedupe", dedupe)} />
        <Check label={t.sprite} checked={draft.sprite} onValue={(sprite) => set("sprite", sprite)} />
      </div>
    </div>
  );
}

/** What the options will give, of the videos whose length is known. */
export function Estimate({ draft, known, unknown }: { draft: Draft; known: Known[]; unknown: number }) {
  if (known.length === 0) return null;
  return (
    <div class="estimate" role="status" aria-live="polite">
      <h3>{t.estimate}</h3>
      <EstimateText draft={draft} known={known} />
      {unknown > 0 && <p class="note">{t.estimate_unknown}</p>}
    </div>
  );
}

function EstimateText({ draft, known }: { draft: Draft; known: Known[] }) {
  const each = known.map((video) => estimate(extractionOf(draft), video));
  if (each.some((e) => e.frames === null)) return <p>{t.estimate_content}</p>;
  const frames = each.reduce((sum, e) => sum + e.frames!, 0);
  if (frames === 0) return <p class="bad">{t.estimate_none}</p>;
  const exact = each.every((e) => e.exact);
  const text = t.estimate_frames(frames, exact ? formatNumber(frames) : formatRough(frames));
  return (
    <>
      <p class="figures">
        <strong>{exact ? text : draft.dedupe && draft.mode !== "every_nth" ? t.estimate_at_most(text) : t.estimate_about(text)}</strong>
        <span>{t.estimate_size(formatBytes(Number(each.reduce((sum, e) => sum + e.size!, 0).toPrecision(2))))}</span>
      </p>
      {each.some((e) => e.frames! > maxFrames) && <p class="bad">{t.estimate_many(formatNumber(maxFrames))}</p>}
    </>
  );
}
