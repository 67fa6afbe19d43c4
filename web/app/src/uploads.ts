// Uploads: Uppy moves the bytes; here is what our API has to say in that.

import AwsS3 from "@uppy/aws-s3";
import Uppy, { type UppyFile } from "@uppy/core";
import { effect, signal } from "@preact/signals";
import type { Problem } from "./api";
import { api, explain, onLeave, reachable, stored } from "./state";
import type { NewVideo, SignedParts, StoredParts } from "./types";
import { videos } from "./videos";

/** Above this an upload goes in parts (POST /v1/videos), in bytes. */
const singleLimit = 100 * 1024 * 1024;

/** A registration that can be said again: the same key gives the same video. */
interface Registration { key: string; request: NewVideo; modified: number }

interface Meta extends Registration { video?: string; [member: string]: unknown }
type File_ = UppyFile<Meta, Record<string, never>>;

/** An upload as it is shown. Progress is in bytes. */
export interface UploadView {
  fileID: string;
  video?: string;
  name: string;
  size: number;
  sent: number;
  state: "waiting" | "uploading" | "paused" | "finishing" | "broken";
  error: string;
}

export const uploads = signal<UploadView[]>([]);

// Registrations whose uploads are not complete are remembered by the video's ID, so
// that they can go on after a reload.
const store = "uploads";
const remembered = (): Record<string, Registration> => JSON.parse(stored.recall(store) ?? "{}");
function remember(video: string, registration: Registration | null): void {
  const all = remembered();
  if (registration) all[video] = registration;
  else delete all[video];
  stored.keep(store, JSON.stringify(all));
}

const partSizes = new WeakMap<Blob, number>();
const errors = new Map<string, string>();

const uppy = new Uppy<Meta, Record<string, never>>({ autoProceed: true, allowMultipleUploadBatches: true });

async function register(file: File_) {
  const { key, request, modified } = file.meta;
  const answer = await api.create(key, request);
  uppy.setFileMeta(file.id, { ...file.meta, video: answer.video.id });
  remember(answer.video.id, { key, request, modified });
  videos.add(answer.video);
  return answer;
}

// What goes in parts is registered before Uppy cuts the file, since the answer says
// how large a part is. Uppy then takes it for one that was begun before, and asks
// which parts are there, which is none or, after a reload, some.
uppy.addPreProcessor(async (ids) => {
  await Promise.all(uppy.getFilesByIds(ids).map(async (file) => {
    if ((file.size ?? 0) <= singleLimit || partSizes.has(file.data as Blob)) return;
    try {
      const { video, upload } = await register(file);
      if (upload.method !== "MULTIPART") throw new Error("the server wants a large file in one piece");
      partSizes.set(file.data as Blob, upload.part_size);
      const begun = { s3Multipart: { key: video.id, uploadId: upload.upload_id } };
      uppy.setFileState(file.id, begun as Partial<File_>);
    } catch (error) {
      uppy.emit("upload-error", uppy.getFile(file.id), error as Error);
    }
  }));
});

uppy.use(AwsS3<Meta, Record<string, never>>, {
  id: "s3",
  limit: 4,
  retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000],
  shouldUseMultipart: (file: File_) => (file.size ?? 0) > singleLimit,
  getChunkSize: (data) => partSizes.get(data as unknown as Blob) ?? singleLimit,
  getUploadParameters: async (file) => {
    const { upload } = await register(uppy.getFile(file.id));
    if (upload.method !== "POST") throw new Error("the server wants a small file in parts");
    return { method: "POST", url: upload.url, fields: upload.fields };
  },
  createMultipartUpload: () => Promise.reject(new Error("registered before")),
  listParts: async (_, { key }) => {
    const { parts } = await api.call<StoredParts>("GET", `/videos/${key}/parts`);
    return (parts ?? []).map((part) => ({ PartNumber: part.part_number, ETag: part.etag, Size: part.size }));
  },
  signPart: async (_, { key, partNumber }) => {
    const { parts } = await api.call<SignedParts>("POST", `/videos/${key}/parts`, { part_numbers: [partNumber] });
    return { method: "PUT", url: parts![0]!.url };
  },
  completeMultipartUpload: async (file, { key, parts }) => {
    videos.put(await api.complete(file.meta.key, key, parts.map((part) => ({ part_number: part.PartNumber!, etag: part.ETag! }))));
    return {};
  },
  abortMultipartUpload: async () => {}, // whose file is removed is deleted, see below
});

uppy.on("upload-success", async (file) => {
  if (!file) return;
  const id = file.meta.video!;
  try {
    // In parts it is complete by now; and S3 itself tells of what came in one piece.
    if ((file.size ?? 0) <= singleLimit) videos.put(await api.complete(file.meta.key, id));
  } catch {
    // see above
  }
  remember(id, null);
  uppy.removeFile(file.id);
  videos.refresh();
});

uppy.on("upload-error", (file, error) => {
  if (!file) return;
  const code = (error as Partial<Problem>).code;
  errors.set(file.id, code ? explain(error) : "");
  if (file.meta.video && (code === "upload_closed" || code === "not_found")) remember(file.meta.video, null);
  show();
});

uppy.on("file-removed", (file) => {
  errors.delete(file.id);
  const { video } = file.meta;
  if (!video || file.progress.uploadComplete || leaving) return show();
  remember(video, null);
  void videos.remove(video).catch(() => {}); // what nobody uploads goes by itself
  show();
});

function stateOf(file: File_): UploadView["state"] {
  if (file.error) return "broken";
  if (file.isPaused) return "paused";
  const sent = file.progress.bytesUploaded || 0;
  if (sent >= (file.size ?? Infinity)) return "finishing";
  return sent > 0 ? "uploading" : "waiting";
}

function show(): void {
  uploads.value = uppy.getFiles().filter((file) => !file.progress.uploadComplete).map((file) => {
    const view: UploadView = {
      fileID: file.id, name: file.meta.request.filename, size: file.size ?? 0,
      sent: Number(file.progress.bytesUploaded) || 0, state: stateOf(file), error: errors.get(file.id) ?? "",
    };
    if (file.meta.video) view.video = file.meta.video;
    return view;
  });
}

uppy.on("state-update", show);

/** What the API takes of a file's name; the end tells what it is. */
const nameOf = (file: File) => file.name.slice(-255);

/** Uploads a file and has its frames extracted; one whose upload was interrupted goes on. */
export function upload(file: File, extraction: NewVideo["extraction"]): void {
  const request = { filename: nameOf(file), size: file.size, content_type: file.type || "application/octet-stream", extraction };
  const before = Object.entries(remembered()).find(([id, r]) =>
    isOf(file, r) && JSON.stringify(r.request.extraction) === JSON.stringify(extraction) && !uploads.value.some((u) => u.video === id));
  add(file, before ? before[1] : { key: crypto.randomUUID(), request, modified: file.lastModified });
}

/** Whether the upload of a video can go on in this browser. */
export const canContinue = (video: string) => video in remembered();

/** Goes on with the upload of a video; false if that is another file. */
export function goOn(video: string, file: File): boolean {
  const registration = remembered()[video];
  if (!registration || !isOf(file, registration)) return false;
  add(file, registration);
  return true;
}

function isOf(file: File, { request, modified }: Registration): boolean {
  return request.filename === nameOf(file) && request.size === file.size && modified === file.lastModified;
}

function add(file: File, registration: Registration): void {
  // The path makes it a file of its own for Uppy, which takes each only once.
  uppy.addFile({ name: file.name, type: file.type, data: file, meta: { ...registration, relativePath: registration.key } });
}

export const pauseOrResume = (fileID: string) => uppy.pauseResume(fileID);
export const cancelUpload = (fileID: string) => uppy.removeFile(fileID);

export function retryUpload(fileID: string): void {
  errors.delete(fileID);
  void uppy.retryUpload(fileID);
}

let leaving = false;
onLeave(() => {
  leaving = true; // the videos stay, and can go on after the next login
  uppy.cancelAll();
  leaving = false;
});

// What the network broke goes on when the server answers again.
function retryAll(): void {
  for (const view of uploads.peek()) if (view.state === "broken" && view.error === "") retryUpload(view.fileID);
}
addEventListener("online", retryAll);
let answered = true;
effect(() => {
  if (reachable.value && !answered) queueMicrotask(retryAll);
  answered = reachable.value;
});

addEventListener("beforeunload", (e) => {
  if (uploads.value.some((u) => u.state !== "broken")) e.preventDefault();
});
