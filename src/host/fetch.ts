// Downloads that end: every wait has a limit, every length is checked, and an error names the address.
import { WasmgradError } from "../core/error.ts";
import { concat } from "./bytes.ts";
import { reason } from "./reason.ts";

/** A download that did not work out. */
export class DownloadError extends WasmgradError {
  override name = "DownloadError";
  readonly url: string;
  /** The HTTP status, when the server answered with an error. */
  readonly status: number | null;

  constructor(url: string, what: string, status: number | null = null) {
    super(`download: ${url}: ${what}`);
    this.url = url;
    this.status = status;
  }
}

export interface Progress {
  readonly url: string;
  readonly received: number;
  /** Bytes to come in all, or null when the server does not tell. */
  readonly total: number | null;
}

export interface DownloadOptions {
  /** Called when the answer begins, for each part, and at the end. */
  onProgress?: (progress: Progress) => void;
  /** Longest time without a byte, in seconds, also before the first one. 30 by default. */
  stallSeconds?: number;
  /** Most bytes to accept. */
  limit?: number;
}

/** The bytes at `url`. */
export async function download(url: string, options: DownloadOptions = {}): Promise<Uint8Array> {
  const { onProgress, stallSeconds = 30, limit = 2 ** 32 } = options;
  if (!(stallSeconds > 0)) throw new DownloadError(url, `stallSeconds ${stallSeconds}: a positive number is expected`);
  const control = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stalled = false;
  let received = 0;
  let total: number | null = null;
  let refused = false;
  const tell = () => {
    try {
      onProgress?.({ url, received, total });
    } catch (error) {
      refused = true; // the caller's own error, passed on as it is
      throw error;
    }
  };
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      stalled = true;
      control.abort();
    }, stallSeconds * 1000);
  };
  const of = () => (total === null ? `${received} bytes` : `${received} of ${total} bytes`);
  wait();
  try {
    const response = await fetch(url, { signal: control.signal, redirect: "follow" });
    if (!response.ok) {
      throw new DownloadError(url, `HTTP status ${response.status} ${response.statusText}`.trimEnd(), response.status);
    }
    // With a content encoding the host unpacks, and the length is that of something else.
    const header = response.headers.get("content-encoding") === null ? response.headers.get("content-length") : null;
    total = header === null ? null : Number(header);
    if (total !== null && total > limit) throw new DownloadError(url, `${total} bytes: at most ${limit} are expected`);
    tell();
    const parts: Uint8Array[] = [];
    const reader = response.body?.getReader();
    while (reader !== undefined) {
      wait();
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      received += value.length;
      if (received > limit) throw new DownloadError(url, `more than ${limit} bytes: it is too long`);
      tell();
    }
    if (total !== null && received !== total) throw new DownloadError(url, `${of()} came: it is cut short`);
    return concat(parts, received);
  } catch (error) {
    control.abort();
    if (stalled) throw new DownloadError(url, `no byte for ${stallSeconds} seconds, after ${of()}: it stalled`);
    if (refused || error instanceof DownloadError) throw error;
    const why = reason(error);
    if (received > 0 || total !== null) throw new DownloadError(url, `${of()} came, then ${why}: it is cut short`);
    throw new DownloadError(url, `no answer: ${why}`);
  } finally {
    clearTimeout(timer);
  }
}
