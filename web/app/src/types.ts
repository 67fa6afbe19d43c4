// The API's words, as api/openapi.yaml has them; what the app does not read is left out.

export type Status = "awaiting_upload" | "queued" | "processing" | "completed" | "failed" | "cancelled" | "expired";
export const statuses: Status[] = ["awaiting_upload", "queued", "processing", "completed", "failed", "cancelled", "expired"];

export const modes = ["interval", "fps", "count", "every_nth", "keyframes", "scenes", "timestamps"] as const;
export type Mode = (typeof modes)[number];
export type Format = "jpeg" | "png" | "webp";

/** Times are in seconds, sizes in pixels. */
export interface Extraction {
  mode: Mode;
  fps?: number;
  interval?: number;
  count?: number;
  every_nth?: number;
  threshold?: number;
  timestamps?: number[];
  start?: number;
  end?: number;
  max_frames?: number;
  format?: Format;
  quality?: number;
  width?: number;
  height?: number;
  fit?: "contain" | "cover" | "fill" | "scale-down";
  dedupe?: boolean;
  sprite?: boolean;
}

export interface Notice { code: string; message: string }

export interface Media { duration: number; width: number; height: number; frame_rate: number; codec: string; rotation: number }

/** Sizes are in bytes, progress from 0 to 1. */
export interface Video {
  id: string;
  filename: string;
  size: number;
  content_type: string;
  status: Status;
  progress: number;
  extraction: Extraction;
  media?: Media;
  archive?: { frames: number; size: number; sha256?: string; expires_at: string };
  error?: Notice;
  warnings?: Notice[] | null;
  created_at: string;
  updated_at: string;
  expires_at: string;
}

export type Upload =
  | { method: "POST"; url: string; fields: Record<string, string>; expires_at: string }
  | { method: "MULTIPART"; upload_id: string; part_size: number; expires_at: string };

export interface NewVideo { filename: string; size: number; content_type: string; extraction: Extraction }

export interface Download { url: string; expires_at: string; size: number; sha256?: string }

export interface ManifestFrame { index: number; file: string; pts: number; time: number; width: number; height: number; size: number; sha256: string }
export interface Manifest {
  video: { filename: string; sha256: string; media: Media & { container?: string; pixel_format?: string; time_base?: string } };
  extraction: Extraction;
  frames: ManifestFrame[];
  engine: { name: string; ffmpeg?: string };
}

export interface User { id: string; email: string; email_verified: boolean; name: string; locale: "en" | "pt-BR"; created_at: string }
export interface Session { id: string; created_at: string; last_used_at: string; expires_at: string; network: string; user_agent: string; current: boolean }

export const scopes = ["videos:read", "videos:write", "notifications:read", "notifications:write", "account:read"] as const;
export type Scope = (typeof scopes)[number];
export interface Key { id: string; name: string; hint: string; scopes: Scope[]; created_at: string; expires_at?: string; last_used_at?: string }

export interface Quota { used: number; limit: number; resets_at?: string }
export type QuotaName = "bytes_stored" | "concurrent_videos" | "minutes_per_day" | "videos_per_day" | "videos_per_minute";
export interface Usage { quotas: Record<QuotaName, Quota> }

export interface AuditEntry { id: string; at: string; action: string; result: "success" | "failure"; detail?: string; network: string; user_agent: string }
export interface Export { id: string; status: "pending" | "ready"; created_at: string; expires_at: string; files: { name: string; size: number; url: string }[] | null }
