// Messages about files, folders, mirrors and what no public name reaches: what brings them about.
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { MNIST } from "../src/data/index.ts";
import { load as loadMnist } from "../src/data/mnist.ts";
import { download } from "../src/host/fetch.ts";
import { gunzip, readFile, writeFile } from "../src/host/files.ts";
import { load } from "../src/io/index.ts";
import { Clock } from "./clock.ts";
import type { Cases } from "./messages.ts";
import { until } from "./waiting.ts";

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

/** A folder with small files in MNIST's format, gone afterwards. */
async function folder(f: (dir: string) => Promise<unknown>): Promise<unknown> {
  const dir = mkdtempSync(join(tmpdir(), "wasmgrad-messages-"));
  try {
    return await f(dir);
  } catch (error) {
    (error as Error).message = (error as Error).message.replaceAll(dir, "<dir>");
    throw error;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"] as const;
const IMAGE = bytes(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 9, 9);

/** What a mirror answers. */
async function mirror(
  answer: (response: ServerResponse) => void,
  f: (url: string) => Promise<unknown>,
): Promise<unknown> {
  const server = createServer((_, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  try {
    return await f(url);
  } catch (error) {
    (error as Error).message = (error as Error).message.replaceAll(url, "<mirror>/");
    throw error;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** A mirror that promises nine bytes and sends two, and what follows when they have come. */
function twoOfNine(then: (response: ServerResponse) => void): Promise<unknown> {
  let came = 0;
  const answer = async (r: ServerResponse): Promise<void> => {
    r.writeHead(200, { "content-length": "9" });
    r.write(bytes(1, 2));
    await until("two bytes at the client", () => came === 2);
    then(r);
  };
  const onProgress = ({ received }: { received: number }): void => {
    came = received;
  };
  return mirror(answer, (url) => download(url, { onProgress, stallSeconds: 0.2 }));
}

export const files: Cases = {
  "MNIST: not in the folder": () => folder((dir) => MNIST.load({ dir })),
  "MNIST: another content": () =>
    folder((dir) => {
      writeFileSync(join(dir, NAMES[0]), IMAGE);
      return MNIST.load({ dir });
    }),
  "MNIST: images without labels": () =>
    folder((dir) => {
      writeFileSync(join(dir, NAMES[0]), IMAGE);
      writeFileSync(join(dir, NAMES[1]), bytes(0, 0, 8, 1, 0, 0, 0, 2, 1, 2));
      return loadMnist({ dir, verify: false }, {});
    }),
  "MNIST: mirrors that fail": () =>
    mirror(
      (r) => r.writeHead(404).end(),
      (url) => MNIST.load({ cacheDir: null, mirrors: [url] }),
    ),
  "download: stallSeconds": () => download("http://127.0.0.1/", { stallSeconds: 0 }),
  "download: status": () => mirror((r) => r.writeHead(404).end(), download),
  "download: announced too long": () =>
    mirror(
      (r) => r.end(bytes(1, 2, 3)),
      (url) => download(url, { limit: 2 }),
    ),
  "download: too long": () =>
    mirror(
      (r) => {
        r.write(bytes(1, 2));
        r.end(bytes(3));
      },
      (url) => download(url, { limit: 2 }),
    ),
  "download: cut short": () => twoOfNine((r) => r.destroy()),
  "download: stalled": async () => {
    const clock = new Clock(200);
    try {
      await twoOfNine(() => clock.pass(200));
    } finally {
      clock.end();
    }
  },
  "download: no answer": () => mirror((r) => r.destroy(), download),
  "files: no such file": () => readFile("/nowhere/at/all"),
  "files: not to be written": () =>
    folder((dir) => {
      writeFileSync(join(dir, "file"), "");
      return writeFile(join(dir, "file", "below"), bytes(1));
    }),
  "files: gzip cut short": () => gunzip(gzipSync(new Uint8Array(1000)).subarray(0, 20), "labels.gz"),
  "files: gzip too long": () => gunzip(gzipSync(new Uint8Array(1000)), "labels.gz", 10),
  "files: an address of no file": () => load(new URL("file://elsewhere/net")),
  "files: links in a circle": () =>
    folder(async (dir) => {
      symlinkSync("circle", join(dir, "circle"));
      return writeFile(join(dir, "circle"), bytes(1));
    }),
};
