import { useEffect } from "preact/hooks";
import { formatMoment, t } from "../i18n";
import { Drop } from "../parts/drop";
import { Heading, Notice, Select, Spinner, useAction } from "../parts/ui";
import { Uploads } from "../parts/uploads";
import { Actions, Continue, Progress, StatusBadge, Summary } from "../parts/video";
import { reachable } from "../state";
import { statuses, type Status, type Video } from "../types";
import { uploads } from "../uploads";
import { videos } from "../videos";

/** The list of videos, and where new ones are dropped. */
export function Videos() {
  useEffect(() => videos.watch(), []);
  return (
    <>
      <Heading title={t.videos} />
      <Drop />
      <Uploads />
      <List />
    </>
  );
}

function List() {
  const more = useAction();
  const uploading = new Set(uploads.value.map((view) => view.video));
  const list = videos.list.value?.filter((video) => !uploading.has(video.id));
  return (
    <section aria-labelledby="list" aria-busy={!list}>
      <div class="section-head">
        <h2 id="list">{t.your_videos}</h2>
        <Select<Status | ""> label={t.filter} value={videos.filter.value} onValue={(status) => videos.show(status)}
          options={[["", t.filter_all], ...statuses.map((status) => [status, t[`status_${status}`]] as const)]} />
      </div>
      {videos.error.value && reachable.value && <Notice kind="bad">{videos.error.value}</Notice>}
      {!list && !videos.error.value && <Spinner text={t.loading} />}
      {list?.length === 0 && videos.filter.value && <div class="empty"><strong>{t.empty_filter}</strong></div>}
      {list?.length === 0 && !videos.filter.value && uploads.value.length === 0 && (
        <div class="empty">
          <p><strong>{t.empty}</strong></p>
          <p class="note">{t.empty_text}</p>
        </div>
      )}
      <ul class="rows">{list?.map((video) => <Row key={video.id} video={video} />)}</ul>
      {more.error && <Notice kind="bad">{more.error}</Notice>}
      {videos.cursor.value && (
        <div class="actions center"><button type="button" disabled={more.busy} onClick={() => more.run(() => videos.more())}>{t.more}</button></div>
      )}
    </section>
  );
}

function Row({ video }: { video: Video }) {
  return (
    <li class="card row">
      <div class="row-head">
        <a class="name" href={`/videos/${video.id}`}>{video.filename}</a>
        <StatusBadge video={video} />
      </div>
      <Progress video={video} />
      <Summary video={video} />
      <Continue video={video} />
      <div class="row-foot">
        <time class="note" dateTime={video.created_at}>{formatMoment(video.created_at)}</time>
        <Actions video={video} changed={() => videos.refresh()} removed={() => {}} />
      </div>
    </li>
  );
}
