// Reading single files out of an archive where it is stored, without downloading it.

import { unzip, type Reader, type ZipEntry } from "unzipit";
import type { Api } from "./api";
import type { Download } from "./types";

/** A tile of a contact sheet: where it is, in pixels, and when, in seconds. */
export interface Tile { sheet: string; x: number; y: number; width: number; height: number; time: number }

/** parseTiles reads the cues of sprites.vtt. */
export function parseTiles(vtt: string): Tile[] {
  const cue = /^([\d:.]+) --> [\d:.]+[^\n]*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm;
  return [...vtt.matchAll(cue)].map(([, time = "", sheet = "", x, y, width, height]) => ({
    sheet, x: Number(x), y: Number(y), width: Number(width), height: Number(height),
    time: time.split(":").reduce((sum, n) => sum * 60 + Number(n), 0),
  }));
}

/** RemoteFile reads ranges of a file at a signed address, which it has signed anew when it ends. */
class RemoteFile implements Reader {
  constructor(private download: Download, private readonly sign: () => Promise<Download>) {}

  async getLength(): Promise<number> {
    return this.download.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (length === 0) return new Uint8Array(0);
    if (Date.parse(this.download.expires_at) - Date.now() < 10_000) this.download = await this.sign();
    const response = await fetch(this.download.url, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
    if (response.status !== 206) throw new Error(`a range of the archive: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
}

/** An archive that is read by range requests. Its images' addresses are good until it is closed. */
export class Archive {
  private readonly addresses = new Map<string, Promise<string>>();
  private closed = false;

  private constructor(private readonly entries: Record<string, ZipEntry>) {}

  static async open(api: Api, videoID: string): Promise<Archive> {
    const sign = () => api.call<Download>("GET", `/videos/${videoID}/download`);
    const { entries } = await unzip(new RemoteFile(await sign(), sign));
    return new Archive(entries);
  }

  /** The frames' names, in time order. */
  get frames(): string[] {
    return Object.keys(this.entries).filter((name) => name.startsWith("frames/")).sort();
  }

  /** The contact sheets' tiles, one for each frame; none if no sheets were asked for. */
  async tiles(): Promise<Tile[]> {
    const entry = this.entries["sprites.vtt"];
    return entry ? parseTiles(await entry.text()) : [];
  }

  /** An address of an image, for this page. */
  image(name: string): Promise<string> {
    let address = this.addresses.get(name);
    if (!address) {
      address = this.read(name);
      this.addresses.set(name, address);
      address.catch(() => this.addresses.delete(name));
    }
    return address;
  }

  private async read(name: string): Promise<string> {
    const entry = this.entries[name];
    if (!entry) throw new Error(`the archive has no ${name}`);
    const type = `image/${name.endsWith(".jpg") ? "jpeg" : name.split(".").pop()}`;
    const url = URL.createObjectURL(await entry.blob(type));
    if (this.closed) URL.revokeObjectURL(url);
    return url;
  }

  close(): void {
    this.closed = true;
    for (const address of this.addresses.values()) address.then(URL.revokeObjectURL, () => {});
  }
}
