// The API's words, from api/openapi.yaml; `make api` writes that and openapi.d.ts anew.

import type { components } from "./openapi";

type Schemas = components["schemas"];

/** Times are in seconds, sizes in pixels. */
export type Extraction = Schemas["Extraction"] & { mode: Mode };
export const modes = ["interval", "fps", "count", "every_nth", "keyframes", "scenes", "timestamps"] as const satisfies Schemas["Extraction"]["mode"][];
export type Mode = (typeof modes)[number];
export type Format = NonNullable<Extraction["format"]>;

/** Sizes are in bytes, progress is from 0 to 1. A video's extraction has all defaults. */
export type Video = Omit<Schemas["Video"], "extraction"> & { extraction: Extraction };
export type VideoPage = Omit<Schemas["Page"], "videos"> & { videos: Video[] | null };
export const statuses = ["awaiting_upload", "queued", "processing", "completed", "failed", "cancelled", "expired"] as const satisfies Video["status"][];
export type Status = (typeof statuses)[number];

type Signed = Required<Schemas["UploadResponse"]>;
/** In one POST, or in parts, which are signed later. */
export type Upload =
  | Pick<Signed, "url" | "fields" | "expires_at"> & { method: "POST" }
  | Pick<Signed, "upload_id" | "part_size" | "expires_at"> & { method: "MULTIPART" };
export type NewVideo = Schemas["CreateInputBody"] & { extraction: Extraction };
export interface Registered { video: Video; upload: Upload }
export type Download = Schemas["DownloadOutputBody"];
export type SignedParts = Schemas["SignPartsOutputBody"];
export type StoredParts = Schemas["ListPartsOutputBody"];

export type ProblemBody = Partial<Schemas["Problem"]>;
export type Tokens = Schemas["TokensOutputBody"];
export type User = Schemas["UserBody"];
export type Session = Schemas["SessionBody"];
export type Sessions = Schemas["SessionsOutputBody"];

export type Key = Schemas["ApiKeyBody"];
export type Keys = Schemas["ListAPIKeysOutputBody"];
export type NewKey = Schemas["CreateAPIKeyOutputBody"];
export const scopes = ["videos:read", "videos:write", "notifications:read", "notifications:write", "account:read"] as const satisfies Key["scopes"];
export type Scope = (typeof scopes)[number];

export type Usage = Schemas["UsageOutputBody"];
export type QuotaName = keyof Schemas["Quotas"];
export type AuditPage = Schemas["AuditOutputBody"];
export type Export = Schemas["ExportBody"];
export type NewExport = Schemas["RequestExportOutputBody"];

export type Preferences = Schemas["PreferencesOutputBody"];
export type Suppression = Schemas["SuppressionBody"];
export type Notifications = Schemas["NotificationsOutputBody"];
export type Deliveries = Schemas["DeliveriesOutputBody"];
export type Delivery = Schemas["DeliveryBody"];
export type TestDelivery = Schemas["TestOutputBody"];

/** manifest.json, which the archive's program writes; the API hands it on as it is. */
export interface Manifest {
  frames: { index: number; file: string; time: number; width: number; height: number; size: number }[];
}
