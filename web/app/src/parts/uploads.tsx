import { about, formatBytes, formatPercent, t } from "../i18n";
import { cancelUpload, pauseOrResume, retryUpload, uploads, type UploadView } from "../uploads";

/** The uploads that are under way. */
export function Uploads() {
  if (uploads.value.length === 0) return null;
  return (
    <section aria-labelledby="uploads">
      <h2 id="uploads">{t.uploads}</h2>
      <ul class="rows">{uploads.value.map((view) => <Upload key={view.fileID} view={view} />)}</ul>
    </section>
  );
}

function Upload({ view }: { view: UploadView }) {
  const state = { waiting: t.upload_waiting, uploading: t.uploading, paused: t.upload_paused, finishing: t.upload_finishing, broken: "" }[view.state];
  const share = view.size > 0 ? view.sent / view.size : 0;
  return (
    <li class="card row">
      <div class="row-head">
        <strong class="name">{view.name}</strong>
        {state && <span class="status">{state}</span>}
      </div>
      <progress max={1} value={share} aria-label={t.progress_of(view.name)} />
      {view.state === "broken"
        ? <p class="note bad" role="alert">{view.error || t.upload_broken}</p>
        : <p class="note">{t.upload_progress(formatBytes(view.sent), formatBytes(view.size), formatPercent(share))}</p>}
      <div class="actions">
        {view.state === "broken" && <button type="button" onClick={() => retryUpload(view.fileID)}>{t.try_again}</button>}
        {(view.state === "uploading" || view.state === "waiting") && (
          <button type="button" aria-label={about(t.pause, view.name)} onClick={() => pauseOrResume(view.fileID)}>{t.pause}</button>
        )}
        {view.state === "paused" && (
          <button type="button" aria-label={about(t.resume, view.name)} onClick={() => pauseOrResume(view.fileID)}>{t.resume}</button>
        )}
        {view.state !== "finishing" && (
          <button type="button" aria-label={about(t.cancel, view.name)} onClick={() => cancelUpload(view.fileID)}>{t.cancel}</button>
        )}
      </div>
    </li>
  );
}
