// Files that are written whole or not at all: into a temporary one in the same folder, to the disk, then renamed. What a killed process
// left behind is cleared by the next that writes the same file, or that reads it and asks for that.
import { fail } from "../core/error.ts";
import { builtin, hasBuiltins, nodeProcess } from "./node.ts";

/** Node's modules for files. */
export async function modules() {
  if (!hasBuiltins()) fail("files", "this host has no file system");
  const [fs, path, os] = await Promise.all([builtin("node:fs/promises"), builtin("node:path"), builtin("node:os")]);
  return { fs, path, os };
}

type Modules = Awaited<ReturnType<typeof modules>>;

export const codeOf = (error: unknown): string | undefined => (error as { code?: string }).code;

/** Temporary files that are being written here. */
const own = new Set<string>();

/** A temporary file that nobody has touched for so long is a leftover, whoever made it. */
const STALE_MS = 3_600_000;
/** A process's birth is told by two clocks, which may disagree by this. */
const BIRTH_S = 2;
/** What stands in the name behind the file's own: machine, process, its birth in seconds, chance. */
const MARK = /^([0-9a-z]+)-(\d+)-(\d+)-[0-9a-z]+\.tmp$/;
const LINKS = 40;

interface Mark {
  readonly host: string;
  readonly pid: number;
  readonly born: number;
}

function markOf({ os }: Modules): Mark {
  let name = "";
  try {
    name = os.hostname();
  } catch {
    // Deno without permission: all machines are one
  }
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)!) >>> 0;
  const process = nodeProcess();
  const born = Math.round(Date.now() / 1000 - (process?.uptime?.() ?? 0));
  return { host: hash.toString(36), pid: process?.pid ?? 0, born };
}

/** What names of temporary files begin with. A name of a file may be as long as names may be. */
const prefixOf = ({ path }: Modules, file: string): string => `.${[...path.basename(file)].slice(0, 50).join("")}.`;

/** Where a path leads, through symbolic links, also when there is nothing yet. */
async function followed({ fs, path }: Modules, file: string): Promise<string> {
  let at = file;
  for (let i = 0; i < LINKS; i++) {
    const real = await fs.realpath(at).catch(() => null);
    if (real !== null) return real;
    const link = await fs.readlink(at).catch(() => null);
    if (link === null) return at;
    at = path.resolve(await fs.realpath(path.dirname(at)), link);
  }
  throw new Error(`${LINKS} links lead nowhere`);
}

/** True when whoever wrote this temporary file is gone. */
async function isLeft({ fs }: Modules, file: string, made: Mark, here: Mark): Promise<boolean> {
  if (own.has(file)) return false;
  if (made.host === here.host) {
    if (made.pid !== here.pid) {
      try {
        nodeProcess()?.kill?.(made.pid, 0);
      } catch (error) {
        if (codeOf(error) === "ESRCH") return true;
      }
    } else if (Math.abs(made.born - here.born) > BIRTH_S) return true;
  }
  const about = await fs.stat(file).catch(() => null);
  return about !== null && Date.now() - about.mtimeMs > STALE_MS;
}

async function clear(m: Modules, file: string): Promise<void> {
  const folder = m.path.dirname(file);
  const prefix = prefixOf(m, file);
  const here = markOf(m);
  const names = await m.fs.readdir(folder).catch((): string[] => []);
  for (const name of names) {
    const found = name.startsWith(prefix) ? MARK.exec(name.slice(prefix.length)) : null;
    if (found === null) continue;
    const made = { host: found[1]!, pid: Number(found[2]), born: Number(found[3]) };
    const left = m.path.join(folder, name);
    if (await isLeft(m, left, made, here)) await m.fs.rm(left, { force: true }).catch(() => {});
  }
}

/** Removes what killed processes have left of this file; whatever cannot be removed stays. */
export async function clearLeftovers(file: string): Promise<void> {
  const m = await modules();
  const target = await followed(m, file).catch(() => null);
  if (target !== null) await clear(m, target);
}

/**
 * Writes a file whole or not at all. Missing folders are made; what was there before stays until the rename, and passes mode and owner
 * on; symbolic links stay and lead to what is new; nothing is left behind when it fails.
 */
export async function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  const m = await modules();
  try {
    const target = await followed(m, path);
    const before = await m.fs.stat(target).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
      throw error;
    });
    // A device or a pipe takes what comes; a folder refuses.
    if (before !== null && !before.isFile()) return await m.fs.writeFile(target, bytes);
    // What may not be written is not replaced either.
    if (before !== null) await (await m.fs.open(target, "r+")).close();
    await replace(m, target, bytes, before);
  } catch (error) {
    fail(path, `cannot be written: ${(error as Error).message}`);
  }
}

interface Before {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

async function replace(m: Modules, target: string, bytes: Uint8Array, before: Before | null): Promise<void> {
  const { fs, path } = m;
  const folder = path.dirname(target);
  await fs.mkdir(folder, { recursive: true });
  await clear(m, target);
  const { host, pid, born } = markOf(m);
  const chance = Math.random().toString(36).slice(2, 10);
  const temporary = path.join(folder, `${prefixOf(m, target)}${host}-${pid}-${born}-${chance}.tmp`);
  own.add(temporary);
  try {
    // What was private is never readable, not even for a moment.
    const file = await fs.open(temporary, "wx", before === null ? 0o666 : 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (before !== null) await inherit(m, temporary, before);
    await fs.rename(temporary, target);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => {});
    throw error;
  } finally {
    own.delete(temporary);
  }
}

/** Gives a file the owner and the mode of the one that it takes the place of. */
async function inherit({ fs }: Modules, file: string, { mode, uid, gid }: Before): Promise<void> {
  const now = await fs.stat(file);
  if (now.uid !== uid || now.gid !== gid) {
    // Only root gives files away; others may still keep the group.
    await fs.chown(file, uid, gid).catch(() => fs.chown(file, now.uid, gid).catch(() => {}));
  }
  const bits = mode & 0o7777;
  const { mode: given } = await fs.stat(file);
  if ((given & 0o7777) !== bits) await fs.chmod(file, bits);
}
