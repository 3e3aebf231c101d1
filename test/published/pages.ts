// Sites on the loopback whose headers change from cell to cell, and a Chromium that opens them and reads what they say.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { FLAGS } from "../browser/page.ts";
import { HANG_MS } from "../waiting.ts";

export type Headers = Readonly<Record<string, string>>;

/** What a page and everything that it loads are sent with. */
export interface Setting {
  readonly isolated: boolean;
  readonly csp: keyof typeof POLICIES;
}

const ISOLATION: Headers = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const STRICT = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";
const TRUSTED = "require-trusted-types-for 'script'";
export const POLICIES = {
  none: null,
  strict: STRICT,
  "trusted types": TRUSTED,
  both: `${STRICT}; ${TRUSTED}`,
} as const;

const CSPS = Object.keys(POLICIES) as (keyof typeof POLICIES)[];
export const SETTINGS: readonly Setting[] = [false, true].flatMap((isolated) => CSPS.map((csp) => ({ isolated, csp })));

export const headersOf = ({ isolated, csp }: Setting): Headers => {
  const policy = POLICIES[csp];
  return { ...(isolated ? ISOLATION : {}), ...(policy === null ? {} : { "content-security-policy": policy }) };
};

/** What another origin is sent with, so that isolated pages may import from it. */
export const CORS: Headers = { "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin" };

export interface Site {
  readonly url: string;
  /** Sent with every answer from now on. */
  headers: Headers;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** The files of a folder, and nothing else: what is not there is a 404. */
export async function serveFolder(folder: string, headers: Headers = {}): Promise<Site> {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname));
    const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
    // Chromium asks for it by itself, and calls its lack an error.
    const bytes = path === "/favicon.ico" ? "" : await readFile(file).catch(() => null);
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(bytes === null ? 404 : 200, {
      "content-type": bytes === null ? "text/plain" : type,
      ...site.headers,
    });
    response.end(bytes ?? "not found");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const site: Site = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    headers,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return site;
}

/** What `app/train.js` gives, or why it does not. */
export type Outcome =
  | {
      readonly losses: readonly number[];
      readonly build: string;
      readonly threads: number;
      readonly ready: number;
      readonly why: string;
      readonly isolated: boolean;
    }
  | { readonly error: string };

/** How long a page may take, and how long after the first error: an engine that falls back leaves errors behind too. */
const LIMIT = HANG_MS;
const GRACE = 60_000;

export const openBrowser = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, headless: true, args: [...FLAGS] });

/** Opens the site afresh, nothing cached. `said` is everything that the browser had to say on the way. */
export async function visit(
  browser: Browser,
  site: Site,
  headers: Headers,
): Promise<{ outcome: Outcome; said: readonly string[] }> {
  site.headers = headers;
  const context = await browser.newContext();
  const said: string[] = [];
  try {
    const page = await context.newPage();
    const outcome = await new Promise<Outcome>((resolve) => {
      const silent = (): void => resolve({ error: "it did not come to an end" });
      const timers = [setTimeout(silent, LIMIT)];
      const wrong = (text: string): void => {
        said.push(text);
        timers.push(setTimeout(silent, GRACE));
      };
      page.on("pageerror", (error) => wrong(error.message));
      page.on("console", (message) => {
        const text = message.text();
        if (text.startsWith("outcome ")) {
          timers.forEach(clearTimeout);
          resolve(JSON.parse(text.slice("outcome ".length)) as Outcome);
        } else if (message.type() === "error") wrong(text);
      });
      page.goto(site.url).catch((error: Error) => wrong(error.message.split("\n")[0]!));
    });
    return { outcome, said: [...said] };
  } finally {
    await context.close();
  }
}
