import { signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import type { Known } from "../estimate";
import { formatBytes, formatTime, t } from "../i18n";
import { defaults, extractionOf, type Draft } from "../options";
import { probe } from "../probe";
import { upload } from "../uploads";
import { Estimate, Options } from "./options";
import { keepFocus, Notice } from "./ui";

/** A file that is to be uploaded; known is undefined while it is read, null where it cannot be. */
interface Chosen { file: File; known: Known | null | undefined }

// They stay while another page is looked at.
const chosen = signal<Chosen[]>([]);
const draft = signal<Draft>(defaults);
const refused = signal("");

export const accepted = "video/*,.mkv,.ts,.mts,.m2ts,.ogv,.flv,.avi,.mxf";
const looksLikeVideo = (file: File) => file.type.startsWith("video/") || file.type === "" || file.type === "application/octet-stream" ||
  accepted.split(",").some((ending) => file.name.toLowerCase().endsWith(ending));

function choose(files: Iterable<File>): void {
  refused.value = "";
  for (const file of files) {
    if (chosen.value.some((c) => c.file.name === file.name && c.file.size === file.size && c.file.lastModified === file.lastModified)) continue;
    if (!looksLikeVideo(file)) {
      refused.value = t.not_video(file.name);
      continue;
    }
    chosen.value = [...chosen.value, { file, known: undefined }];
    void probe(file).then((known) => {
      chosen.value = chosen.value.map((c) => (c.file === file ? { file, known } : c));
    });
  }
}

export function Drop() {
  const [over, setOver] = useState(false);
  const any = chosen.value.length > 0;
  return (
    <section class="card extract" aria-labelledby="extract">
      <h2 id="extract">{t.new_extraction}</h2>
      {refused.value && <Notice kind="bad">{refused.value}</Notice>}
      <div class={`drop${over ? " over" : ""}${any ? " small" : ""}`}
        onDragOver={(e) => { e.preventDefault(); setOver(true); }}
        onDragLeave={() => setOver(false)}
        onDrop={(e) => { e.preventDefault(); setOver(false); choose(e.dataTransfer?.files ?? []); }}>
        {!any && (
          <>
            <svg class="drop-icon" viewBox="0 0 48 48" aria-hidden="true"><path d="M24 33V11m0 0-9 9m9-9 9 9M8 32v5a3 3 0 0 0 3 3h26a3 3 0 0 0 3-3v-5" /></svg>
            <p class="drop-title">{t.drop}</p>
            <p class="note">{t.drop_or}</p>
          </>
        )}
        <Picker label={any ? t.add_more : t.choose_files} kind={any ? "" : "primary"} multiple choose={choose} />
        {!any && <p class="note">{t.drop_hint}</p>}
      </div>
      {any && <Chosen />}
    </section>
  );
}

/** A button that opens the browser's choice of files. */
export function Picker({ label, kind, multiple, choose }: { label: string; kind: string; multiple?: boolean; choose: (files: File[]) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class={kind} onClick={() => input.current?.click()}>{label}</button>
      <input ref={input} type="file" class="hidden" tabIndex={-1} aria-hidden="true" accept={accepted} multiple={multiple ?? false}
        onChange={(e) => { choose([...(e.currentTarget.files ?? [])]); e.currentTarget.value = ""; }} />
    </>
  );
}

function Chosen() {
  const files = chosen.value;
  const known = files.flatMap((c) => c.known ?? []);
  return (
    <form onSubmit={(e) => {
      e.preventDefault();
      for (const { file } of files) upload(file, extractionOf(draft.value));
      chosen.value = [];
      keepFocus();
    }}>
      <ul class="chosen" aria-label={t.chosen}>
        {files.map(({ file, known }) => (
          <li key={`${file.name}/${file.size}/${file.lastModified}`}>
            <div class="grow">
              <strong class="name">{file.name}</strong>
              <p class="note">{[formatBytes(file.size), known === undefined ? t.reading : known === null ? t.unreadable : aboutKnown(known)].join(" · ")}</p>
            </div>
            <button type="button" class="icon" aria-label={t.remove(file.name)} title={t.remove(file.name)}
              onClick={() => { chosen.value = chosen.value.filter((c) => c.file !== file); }}>
              <svg viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8m0-8-8 8" /></svg>
            </button>
          </li>
        ))}
      </ul>
      <h3>{t.options}</h3>
      <Options draft={draft.value} change={(d) => { draft.value = d; }} />
      <Estimate draft={draft.value} known={known} unknown={files.length - known.length} />
      <div class="actions"><button class="primary">{t.begin(files.length)}</button></div>
    </form>
  );
}

const aboutKnown = (known: Known) => [formatTime(known.duration), known.width ? `${known.width} × ${known.height}` : ""].filter(Boolean).join(" · ");
