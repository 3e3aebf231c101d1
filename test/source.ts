// Reads TypeScript roughly, without a parser: comments and strings are found by a scan over characters, which is enough
// for import statements, line counts and calls with literal arguments.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

/** Paths below `folder` that end in .ts, from the project's root. */
export function sources(folder: string): string[] {
  const entries = readdirSync(new URL(`${folder}/`, root), { withFileTypes: true });
  return entries
    .flatMap((e) => (e.isDirectory() ? sources(`${folder}/${e.name}`) : [`${folder}/${e.name}`]))
    .filter((path) => path.endsWith(".ts"))
    .sort();
}

export const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, root)), "utf8");

/** A `/` behind one of these begins a regular expression; `x! / y` is a division. */
const BEFORE_REGEX = /(?:^|[(,=:[&|?{};>]|(?<![\w)\]])!|\breturn)\s*$/;

/** The text with comments, and the insides of template strings unless `templates` is false, turned into spaces. */
export function blanked(text: string, { templates = true } = {}): string {
  const out = text.split("");
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  /** From the character behind an opening brace, or the start, to the closing brace or the end. */
  const code = (start: number): number => {
    let depth = 0;
    let i = start;
    while (i < text.length) {
      const c = text[i]!;
      const pair = text.slice(i, i + 2);
      if (pair === "//" || pair === "/*") {
        const end = pair === "//" ? text.indexOf("\n", i) : text.indexOf("*/", i + 2) + 2;
        const to = end <= 0 ? text.length : end;
        blank(i, to);
        i = to;
      } else if (c === '"' || c === "'") {
        let end = i + 1;
        while (text[end] !== c) end += text[end] === "\\" ? 2 : 1;
        i = end + 1;
      } else if (c === "`") i = template(i + 1);
      else if (c === "/" && BEFORE_REGEX.test(text.slice(Math.max(0, i - 20), i))) {
        let end = i + 1;
        for (let set = false; set || text[end] !== "/"; end++) {
          if (text[end] === "\\") end++;
          else if (text[end] === "[") set = true;
          else if (text[end] === "]") set = false;
        }
        blank(i + 1, end);
        i = end + 1;
      } else {
        if (c === "{") depth++;
        if (c === "}" && --depth < 0) return i;
        i++;
      }
    }
    return i;
  };
  /** From the character behind the opening backtick to the one behind the closing one. */
  const template = (start: number): number => {
    let i = start;
    while (text[i] !== "`") {
      if (text[i] === "$" && text[i + 1] === "{") {
        i = code(i + 2) + 1;
      } else {
        const to = i + (text[i] === "\\" ? 2 : 1);
        if (templates) blank(i, to);
        i = to;
      }
    }
    return i + 1;
  };
  code(0);
  return out.join("");
}

/** Lines that are neither empty nor comment. */
export const codeLines = (text: string): number =>
  blanked(text, { templates: false })
    .split("\n")
    .filter((line) => line.trim() !== "").length;

export interface Import {
  readonly specifier: string;
  /** `await import(...)`. */
  readonly dynamic: boolean;
}

/** A statement that names nothing but types. */
const OF_TYPES = /^(?:import|export)\s+(?:type\b|\{(?:\s*type\s+[^,}]+,?)*\s*\}\s*from\b)/;

/** What a file imports; types too unless `types` is false. */
export function imports(text: string, { types = true } = {}): Import[] {
  const code = blanked(text);
  const found: Import[] = [];
  for (const m of code.matchAll(/^(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']/gm)) {
    if (types || !OF_TYPES.test(m[0])) found.push({ specifier: m[1]!, dynamic: false });
  }
  for (const m of code.matchAll(/^import\s*["']([^"']+)["']/gm)) found.push({ specifier: m[1]!, dynamic: false });
  for (const m of code.matchAll(/(?<!typeof )\bimport\(\s*["']([^"']+)["']\s*\)/g))
    found.push({ specifier: m[1]!, dynamic: true });
  return found;
}

/** Constants of a file by name, as their expressions, and the files that it imports them from. */
function declared(path: string): { own: Map<string, string>; from: Map<string, string> } {
  const code = blanked(read(path));
  const own = new Map<string, string>();
  for (const m of code.matchAll(/^(?:export )?const (\w+)(?:: \w+)? =\s([^;]+);/gm)) own.set(m[1]!, m[2]!);
  const from = new Map<string, string>();
  for (const m of code.matchAll(/^import \{([^}]*)\} from "(\.[^"]+)";/gm)) {
    const file = new URL(m[2]!, `file:///${path}`).pathname.slice(1).replace(/(\.ts)?$/, ".ts");
    for (const name of m[1]!.split(",")) from.set(name.trim(), file);
  }
  return { own, from };
}

/** The number that a constant of a file stands for, in AssemblyScript or TypeScript: its expression may name others. */
export function constant(path: string, name: string): number {
  const { own, from } = declared(path);
  const text = own.get(name);
  if (text === undefined) {
    const file = from.get(name);
    if (file === undefined) throw new Error(`${path} has no constant ${name}`);
    return constant(file, name);
  }
  const plain = text.replace(/<\w+>/g, "").replace(/\b[A-Z]\w*/g, (other) => String(constant(path, other)));
  if (!/^[\d\s()+*/<>_-]+$/.test(plain)) throw new Error(`${path}: ${name} is ${text}`);
  return new Function(`return ${plain}`)() as number;
}

/** Names of the constants that a file exports. */
export const exported = (path: string): string[] =>
  [...blanked(read(path)).matchAll(/^export const (\w+)/gm)].map((m) => m[1]!);
