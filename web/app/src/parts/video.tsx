// What can be done with a video, on its page and in the list.

import { useState } from "preact/hooks";
import { about, formatBytes, formatDay, formatNumber, t } from "../i18n";
import { ended, underWay } from "../list";
import { draftOf, extractionOf } from "../options";
import { api } from "../state";
import type { Download, Video } from "../types";
import { canContinue, goOn } from "../uploads";
import { videos } from "../videos";
import { Picker } from "./drop";
import { Estimate, Options } from "./options";
import { Confirm, Dialog, Notice, useAction } from "./ui";

export function StatusBadge({ video }: { video: Video }) {
  return <span class={`status ${video.status}`}>{t[`status_${video.status}`]}</span>;
}

/** What is to be said of a video in a line or two. */
export function Summary({ video }: { video: Video }) {
  if (video.error) return <p class="note bad">{video.error.message}</p>;
  if (video.status === "expired") return <p class="note">{t.expired_text}</p>;
  const notes = (video.warnings ?? []).map((warning) => <p key={warning.code} class="note">{warning.message}</p>);
  if (!video.archive) return <>{notes}</>;
  const { frames, size, expires_at } = video.archive;
  return (
    <>
      <p class="note">{[t.frames(frames, formatNumber(frames)), formatBytes(size), t.kept_until(formatDay(expires_at))].join(" · ")}</p>
      {notes}
    </>
  );
}

export function Progress({ video }: { video: Video }) {
  if (!underWay(video)) return null;
  return video.status === "queued" || video.progress === 0
    ? <progress aria-label={t.progress_of(video.filename)} />
    : <progress max={1} value={video.progress} aria-label={t.progress_of(video.filename)} />;
}

export async function download(id: string): Promise<void> {
  const { url } = await api.call<Download>("GET", `/videos/${id}/download`);
  location.assign(url);
}

/** The upload of a video that nobody uploads now. */
export function Continue({ video }: { video: Video }) {
  const [wrong, setWrong] = useState(false);
  if (video.status !== "awaiting_upload") return null;
  if (!canContinue(video.id)) return <p class="note">{t.elsewhere_text}</p>;
  return (
    <div class="continue">
      <p class={wrong ? "note bad" : "note"} role={wrong ? "alert" : undefined}>{wrong ? t.continue_other(video.filename) : t.continue_text}</p>
      <Picker label={t.continue_choose} kind="" choose={([file]) => setWrong(file !== undefined && !goOn(video.id, file))} />
    </div>
  );
}

/** The buttons of a video. @param removed is called when it was deleted */
export function Actions({ video, changed, removed }: { video: Video; changed: (video?: Video) => void; removed: () => void }) {
  const action = useAction();
  const [asking, setAsking] = useState<"" | "delete" | "retry">("");
  const name = video.filename;
  const running = underWay(video);
  const close = () => setAsking("");
  return (
    <>
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      <div class="actions">
        {video.status === "completed" && (
          <button type="button" class="primary" aria-label={about(t.download, name)} disabled={action.busy}
            onClick={() => action.run(() => download(video.id))}>{t.download}</button>
        )}
        {running && (
          <button type="button" aria-label={about(t.stop, name)} disabled={action.busy}
            onClick={async () => { if (await action.run(() => videos.cancel(video.id))) changed(); }}>{t.stop}</button>
        )}
        {ended(video) && <button type="button" aria-label={about(t.again, name)} onClick={() => setAsking("retry")}>{t.again}</button>}
        {!running && <button type="button" aria-label={about(t.delete, name)} onClick={() => setAsking("delete")}>{t.delete}</button>}
      </div>
      {asking === "delete" && (
        <Confirm title={t.delete_sure(name)} text={t.delete_text} label={t.delete} close={close}
          action={async () => { await videos.remove(video.id); removed(); }} />
      )}
      {asking === "retry" && <Retry video={video} close={close} changed={changed} />}
    </>
  );
}

function Retry({ video, close, changed }: { video: Video; close: () => void; changed: (video: Video) => void }) {
  const [draft, setDraft] = useState(() => draftOf(video.extraction));
  const action = useAction();
  return (
    <Dialog title={about(t.again, video.filename)} close={close} wide>
      <p>{t.again_text}</p>
      <form onSubmit={async (e) => {
        e.preventDefault();
        if (await action.run(async () => changed(await videos.retry(video.id, extractionOf(draft))))) close();
      }}>
        {action.error && <Notice kind="bad">{action.error}</Notice>}
        <Options draft={draft} change={setDraft} />
        {video.media && <Estimate draft={draft} known={[video.media]} unknown={0} />}
        <div class="actions">
          <button class="primary" disabled={action.busy}>{t.again}</button>
          <button type="button" onClick={close}>{t.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}
