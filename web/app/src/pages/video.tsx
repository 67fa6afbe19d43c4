import { useLocation, useRoute } from "preact-iso";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Archive, type Tile } from "../archive";
import { formatBytes, formatMoment, formatNumber, formatTime, t } from "../i18n";
import { Dialog, Heading, Notice, Spinner, useAction } from "../parts/ui";
import { Actions, Continue, Progress, StatusBadge, Summary } from "../parts/video";
import { api, reachable } from "../state";
import { underWay } from "../list";
import type { Manifest, Video } from "../types";
import { fieldOf } from "../options";
import { watched } from "../videos";

/** A video: how far it is, its frames, and what is known of it. */
export function VideoPage() {
  const { params } = useRoute();
  return <Watched key={params.id} id={params.id!} />;
}

function Watched({ id }: { id: string }) {
  const { route } = useLocation();
  const looked = useMemo(() => watched(id), []);
  useEffect(() => looked.watch(), []);
  const refresh = () => looked.refresh();
  const video = looked.video.value;
  if (looked.missing.value) {
    return (
      <>
        <Heading title={t.video_gone} />
        <p>{t.video_gone_text}</p>
        <div class="actions">
          <button type="button" onClick={refresh}>{t.look_again}</button>
          <a class="button" href="/">{t.to_videos}</a>
        </div>
      </>
    );
  }
  const problem = looked.error.value && <Notice kind="bad">{looked.error.value} <button type="button" onClick={refresh}>{t.try_again}</button></Notice>;
  if (!video) return problem || <Spinner text={looked.awaited.value ? t.video_awaited : t.loading} />;
  return (
    <>
      <p class="back"><a href="/">← {t.back}</a></p>
      {reachable.value && problem}
      <Heading title={video.filename}><StatusBadge video={video} /></Heading>
      <Progress video={video} />
      <Summary video={video} />
      <Continue video={video} />
      {underWay(video) && <p class="note">{t.waiting_text}</p>}
      <Actions video={video} changed={(changed) => (changed ? looked.put(changed) : refresh())} removed={() => route("/")} />
      {video.status === "completed" && <Frames key={video.archive?.sha256 ?? video.updated_at} video={video} />}
      <Details video={video} />
      {video.status === "completed" && <ManifestPart key={`m${video.updated_at}`} video={video} />}
    </>
  );
}

/** How many frames are shown before somebody asks for more. */
const strip = 100;

interface Shown { archive: Archive; tiles: Tile[]; frames: string[] }

function Frames({ video }: { video: Video }) {
  const [shown, setShown] = useState<Shown | null>(null);
  const [failed, setFailed] = useState(false);
  const [limit, setLimit] = useState(strip);
  const [open, setOpen] = useState<number | null>(null);
  const [attempt, setAttempt] = useState(1);
  useEffect(() => {
    let archive: Archive | undefined;
    let left = false;
    setFailed(false);
    (async () => {
      archive = await Archive.open(api, video.id);
      const tiles = await archive.tiles();
      if (left) archive.close();
      else setShown({ archive, tiles, frames: archive.frames });
    })().catch((error) => {
      console.error(error);
      if (!left) setFailed(true);
    });
    return () => {
      left = true;
      archive?.close();
    };
  }, [attempt]);
  return (
    <section class="card" aria-labelledby="frames">
      <h2 id="frames">{t.frames_title}</h2>
      {failed && <Notice kind="bad">{t.frames_failed} <button type="button" onClick={() => setAttempt(attempt + 1)}>{t.try_again}</button></Notice>}
      {!shown && !failed && <Spinner text={t.frames_loading} />}
      {shown && <>
        <p class="note">{shown.tiles.length === 0 ? t.frames_names : t.frames_many(formatNumber(Math.min(limit, shown.frames.length)), formatNumber(shown.frames.length))}</p>
        <ul class={shown.tiles.length > 0 ? "tiles" : "names"}>
          {shown.frames.slice(0, limit).map((name, i) => (
            <li key={name}>
              {shown.tiles[i]
                ? <TileButton archive={shown.archive} tile={shown.tiles[i]} number={i + 1} open={() => setOpen(i)} />
                : <button type="button" class="link" onClick={() => setOpen(i)}>{name.split("/").pop()}</button>}
            </li>
          ))}
        </ul>
        {limit < shown.frames.length && (
          <div class="actions center"><button type="button" onClick={() => setLimit(limit + strip)}>{t.more}</button></div>
        )}
        {open !== null && <Viewer {...shown} index={open} go={setOpen} close={() => setOpen(null)} />}
      </>}
    </section>
  );
}

function TileButton({ archive, tile, number, open }: { archive: Archive; tile: Tile; number: number; open: () => void }) {
  const { url: sheet } = useImage(archive, tile.sheet);
  const time = formatTime(tile.time);
  return (
    <button type="button" class="tile" aria-label={t.frame_at(formatNumber(number), time)} onClick={open}>
      <span class="tile-image" style={{
        width: `${tile.width}px`, height: `${tile.height}px`,
        backgroundImage: sheet ? `url("${sheet}")` : "none", backgroundPosition: `-${tile.x}px -${tile.y}px`,
      }} />
      <span class="tile-time" aria-hidden="true">{time}</span>
    </button>
  );
}

/** An image's address, once it is read; and whether it could not be. */
function useImage(archive: Archive, name: string): { url: string; failed: boolean } {
  const [image, setImage] = useState({ url: "", failed: false });
  useEffect(() => {
    let left = false;
    setImage({ url: "", failed: false });
    archive.image(name).then((url) => left || setImage({ url, failed: false }), (error) => {
      console.error(error);
      if (!left) setImage({ url: "", failed: true });
    });
    return () => { left = true; };
  }, [archive, name]);
  return image;
}

/** One frame in full, read out of the archive. */
function Viewer({ archive, tiles, frames, index, go, close }: Shown & { index: number; go: (index: number) => void; close: () => void }) {
  const name = frames[index]!;
  const { url: image, failed } = useImage(archive, name);
  const tile = tiles[index];
  const number = formatNumber(index + 1);
  const title = t.frame_of(number, formatNumber(frames.length));
  const to = (next: number) => { if (next >= 0 && next < frames.length) go(next); };
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (e.key === "ArrowLeft") to(index - 1);
      if (e.key === "ArrowRight") to(index + 1);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [index]);
  return (
    <Dialog title={title} close={close} wide>
      <div class="viewer" aria-live="polite">
        {image && <img src={image} alt={tile ? t.frame_at(number, formatTime(tile.time)) : title} />}
        {failed ? <p>{t.frame_failed}</p> : !image && <Spinner text={t.loading} />}
      </div>
      <div class="actions">
        <button type="button" disabled={index === 0} onClick={() => to(index - 1)}>{t.previous}</button>
        <button type="button" disabled={index === frames.length - 1} onClick={() => to(index + 1)}>{t.next}</button>
        {image && <a class="button" href={image} download={name.split("/").pop()}>{t.save_image}</a>}
        <button type="button" onClick={close}>{t.close}</button>
      </div>
    </Dialog>
  );
}

function Facts({ facts }: { facts: (readonly [string, string | undefined])[] }) {
  return <dl class="facts">{facts.map(([name, value]) => value && <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function Details({ video }: { video: Video }) {
  const { media, archive, extraction: x } = video;
  const own = fieldOf[x.mode];
  return (
    <section class="card" aria-labelledby="details">
      <h2 id="details">{t.details}</h2>
      <div class="columns">
        <div>
          <h3>{t.original}</h3>
          <Facts facts={[
            [t.uploaded, formatMoment(video.created_at)],
            [t.file_size, formatBytes(video.size)],
            [t.duration, media && formatTime(media.duration)],
            [t.resolution, media && `${media.width} × ${media.height}`],
            [t.frame_rate, media && t.per_second(formatNumber(media.frame_rate))],
            [t.codec, media?.codec.toUpperCase()],
            [t.rotation, media?.rotation ? `${media.rotation}°` : undefined],
          ]} />
        </div>
        <div>
          <h3>{t.extraction}</h3>
          <Facts facts={[
            [t.options, t[`mode_${x.mode}`]],
            ...(own && x[own] !== undefined ? [[t[own], own === "timestamps" ? x.timestamps!.map(formatNumber).join(" ") : formatNumber(x[own] as number)] as const] : []),
            [t.start, x.start ? formatNumber(x.start) : undefined],
            [t.end, x.end ? formatNumber(x.end) : undefined],
            [t.max_frames, x.max_frames ? formatNumber(x.max_frames) : undefined],
            [t.format, x.format?.toUpperCase()],
            [t.quality, x.format !== "png" && x.quality ? formatNumber(x.quality) : undefined],
            [t.width, x.width ? String(x.width) : undefined],
            [t.height, x.height ? String(x.height) : undefined],
            [t.archive, archive && formatBytes(archive.size)],
            [t.checksum, archive?.sha256],
          ]} />
        </div>
      </div>
    </section>
  );
}

function ManifestPart({ video }: { video: Video }) {
  const [manifest, setManifest] = useState<Manifest | null>(null);
  const [limit, setLimit] = useState(strip);
  const action = useAction();
  const read = () => api.call<Manifest>("GET", `/videos/${video.id}/manifest`);
  const save = async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(await read(), null, 1)], { type: "application/json" }));
    link.download = "manifest.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  return (
    <section class="card" aria-labelledby="manifest">
      <h2 id="manifest">{t.manifest}</h2>
      <p class="note">{t.manifest_text}</p>
      {action.error && <Notice kind="bad">{action.error}</Notice>}
      <div class="actions">
        {!manifest && <button type="button" disabled={action.busy} onClick={() => action.run(async () => setManifest(await read()))}>{t.manifest_show}</button>}
        <button type="button" disabled={action.busy} onClick={() => action.run(save)}>{t.manifest_download}</button>
      </div>
      {manifest && (
        <div class="scroll" tabIndex={0} role="region" aria-labelledby="manifest">
          <table>
            <thead><tr><th scope="col">{t.number}</th><th scope="col">{t.time}</th><th scope="col">{t.file}</th><th scope="col">{t.resolution}</th><th scope="col">{t.size}</th></tr></thead>
            <tbody>
              {manifest.frames.slice(0, limit).map((frame) => (
                <tr key={frame.index}>
                  <td>{formatNumber(frame.index)}</td><td>{formatNumber(frame.time)} s</td><td>{frame.file.split("/").pop()}</td>
                  <td>{frame.width} × {frame.height}</td><td>{formatBytes(frame.size)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {limit < manifest.frames.length && <div class="actions center"><button type="button" onClick={() => setLimit(limit + strip)}>{t.more}</button></div>}
        </div>
      )}
    </section>
  );
}
