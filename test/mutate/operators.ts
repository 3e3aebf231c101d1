// The mutations, each named after the mistake that it stands for: where it applies, by patterns over code whose comments and
// strings are blank, and what it puts there. No mutation changes the number of lines.
import { blanked } from "../source.ts";

/** Code from `at` to `end` that becomes `by`. */
export interface Change {
  readonly at: number;
  readonly end: number;
  readonly by: string;
}

export interface Operator {
  readonly name: string;
  /** Paths of the files that it is for. */
  readonly files: RegExp;
  readonly find: (code: string) => Change[];
}

const TYPESCRIPT = /^src\//;
const KERNELS = /^assembly\//;
const ANY = /^(src|assembly)\//;

/** Comments, strings and regular expressions are spaces; everything stands where it stood. */
export const codeOf = (text: string): string =>
  blanked(text).replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, (s) => `${s[0]}${" ".repeat(s.length - 2)}${s[0]}`);

/** The changes at the matches of a pattern; `by` may refuse one. */
function each(code: string, pattern: RegExp, by: (m: RegExpMatchArray) => string | Change | null): Change[] {
  return [...code.matchAll(pattern)].flatMap((m) => {
    const made = by(m);
    if (made === null) return [];
    return typeof made === "string" ? [{ at: m.index!, end: m.index! + m[0].length, by: made }] : [made];
  });
}

/** The place behind the bracket that closes the one at `open`; -1 where none does. */
export function closing(code: string, open: number): number {
  let depth = 0;
  for (let i = open; i < code.length; i++) {
    if ("([{".includes(code[i]!)) depth++;
    if (")]}".includes(code[i]!) && --depth === 0) return i + 1;
  }
  return -1;
}

/** Spaces in the place of what goes, so that lines stay. */
const lines = (text: string): string => text.replace(/[^\n]/g, "");

/** A bracketed part from `open` on becomes `by`, between what stands around. */
function inBrackets(code: string, at: number, open: number, by: (inside: string) => string): Change | null {
  const end = closing(code, open);
  if (end < 0) return null;
  return { at, end, by: by(code.slice(open + 1, end - 1)) };
}

/** Statements that call one of `names`, which then do nothing. */
function dropped(code: string, names: string): Change[] {
  const start = new RegExp(
    `(?<=[;{})]\\s*|\\belse\\s+|=>\\s*)(?:[\\w$]+(?:\\(\\))?[!?]*\\.|[\\w$]+\\[\\w+\\][!?]*\\.)*(?:${names})\\(`,
    "g",
  );
  return each(code, start, (m) => {
    const end = closing(code, m.index! + m[0].length - 1);
    // A value that is used, or the name of a function that is declared here.
    if (end < 0 || !/^\s*[;)]/.test(code.slice(end, end + 8))) return null;
    return { at: m.index!, end, by: `void 0${lines(code.slice(m.index!, end))}` };
  });
}

const SIMPLE = "[\\w$]+(?:(?:!?\\.)[\\w$]+|\\[\\w+\\]!?)*";
/** No part of a longer term of the same or a stronger operator. */
const ALONE = `(?<=[(,=:?{[&|<>]\\s|[([!]|\\breturn )`;

/** Functions of two of a kind whose order counts. */
const ORDERED =
  /(^|\.)(sub|div|pow|remainder|fmod|atan2|lt|le|gt|ge|pmin|pmax|andnot|matmul|mm|product|copy_?|\w+Vjp|join)$/;

/** Words for the dims of a tensor that index or choose. */
const DIM = "dim|axis|dim0|dim1";

export const OPERATORS: readonly Operator[] = [
  {
    name: "sign",
    files: ANY,
    find: (code) => [
      // Texts are joined by + as well.
      ...each(code, /(?<=[\w\])!] )([+-])(?= [\w([-])/g, (m) => (m[1] === "+" ? "-" : "+")),
      ...each(code, / ([+-])= /g, (m) => (m[1] === "+" ? " -= " : " += ")),
      ...each(code, /(?<=[([,?:=] ?|\breturn )-(?=[\w(])/g, () => ""),
      ...each(code, /\b([fi]\d+x\d)\.(add|sub)\(/g, (m) => `${m[1]}.${m[2] === "add" ? "sub" : "add"}(`),
    ],
  },
  {
    name: "bound",
    files: ANY,
    find: (code) => each(code, / (<=?|>=?) /g, (m) => (m[1]!.length === 1 ? ` ${m[1]}= ` : ` ${m[1]![0]} `)),
  },
  {
    name: "off by one",
    files: ANY,
    find: (code) => [
      ...each(code, /(?<=[\w\])]) [+-] 1\b(?![.\w])/g, () => ""),
      ...each(code, /(?<=\bfor \(let \w+(?:: \w+)? = )0(?=[;,])/g, () => "1"),
      ...each(code, /\.length(?=[;,)\]])/g, () => ".length - 1"),
      ...each(code, /(?<=\bslice\()1(?=[,)])/g, () => "0"),
    ],
  },
  {
    name: "swapped operand",
    files: ANY,
    find: (code) => [
      ...each(code, new RegExp(`${ALONE}(${SIMPLE}) ([-/%]) (${SIMPLE})(?= ?[,;)\\]:?]| [&|<>=])`, "g"), (m) =>
        m[1] === m[3] ? null : `${m[3]} ${m[2]} ${m[1]}`,
      ),
      ...each(
        code,
        new RegExp(
          `(?<!function )(?<![\\w$])((?:[\\w$]+\\.)*[\\w$]+)\\((${SIMPLE}), (${SIMPLE})\\)(?!\\s*[:{]|\\s*=>)`,
          "g",
        ),
        (m) => (m[2] === m[3] || !ORDERED.test(m[1]!) ? null : `${m[1]}(${m[3]}, ${m[2]})`),
      ),
    ],
  },
  {
    name: "dropped barrier",
    files: /^(src\/(program|wasm)|assembly)\//,
    find: (code) => [
      ...each(code, /(?<=\b(?:barrier|meet|meetings|rival|faulty) = )[^;=][^;]*(?=;)/g, (m) =>
        /^(0|false)$/.test(m[0])
          ? null
          : `${/^(rival|faulty)/.test(code.slice(m.index! - 9).trim()) ? "0" : "false"}${lines(m[0])}`,
      ),
      ...each(code, /\b(?:barrier|meet) \? (\w+) : 0/g, () => "0"),
      ...each(code, /\bflags & BARRIER\b/g, () => "0"),
      ...each(code, /(?<=return )meet(?=;)/g, () => "false"),
      ...each(code, /(?<=if \()!barrier\([^()]*\)(?=\))/g, () => "false"),
      ...each(code, /(?<=Math\.max\(rival, )[^;]*(?=\);)/g, (m) => `0${lines(m[0])}`),
      ...each(code, /(?<=\{\n\s*|;\n\s*|\) )atomic\.(?:store|add|sub|notify)(?:<\w+>)?\(/g, (m) =>
        inBrackets(code, m.index!, m.index! + m[0].length - 1, () => "0"),
      ),
      ...each(code, /(?<=if \()fault != 0[^\n]*(?=\) break)/g, () => "false"),
    ],
  },
  {
    name: "dropped version bump",
    files: TYPESCRIPT,
    find: (code) => [
      ...each(
        code,
        /[\w$]+(?:!?\.[\w$]+)*\.(?:version|rebases)(?:\+\+| = [^;]*| \+= [^;]*)(?=;)/g,
        (m) => `void 0${lines(m[0])}`,
      ),
      ...each(code, /(?<=(?:versions\[i\]|rebases) = )[^;=][^;]*(?=;)/g, (m) => `0${lines(m[0])}`),
    ],
  },
  {
    name: "dropped guard",
    files: TYPESCRIPT,
    find: (code) => [
      ...each(code, /\bguard\(\(\) => /g, (m) => inBrackets(code, m.index!, m.index! + 5, (f) => `(${f.slice(6)})`)),
      // A check: its condition never holds.
      ...each(code, /\bif \(/g, (m) => {
        const end = closing(code, m.index! + 3);
        if (end < 0 || !/^\s*\{?\s*(?:return )?(?:fail|say|mixed|refuse|throw|this\.fail)\b/.test(code.slice(end)))
          return null;
        return { at: m.index!, end, by: `if (false${lines(code.slice(m.index!, end))})` };
      }),
      ...dropped(
        code,
        "alive|current|refuseInCapture|noteRead|noteGrad|check\\w*|expect\\w*|fits|same\\w+|reads\\w*|touches",
      ),
    ],
  },
  {
    name: "dropped release",
    files: TYPESCRIPT,
    find: (code) => [
      ...dropped(
        code,
        "release|releaseUnread|releaseSpent|unhold|free|done|letGo|dispose|handToNet|consume|unmap|abandon",
      ),
      ...each(code, /(?<=[;{})]\s*)[\w$]+(?:!?\.[\w$]+)*\.(?:holders|readers)(?:\+\+|--)(?=;)/g, () => "void 0"),
    ],
  },
  {
    name: "wrong dim",
    files: ANY,
    find: (code) => [
      ...each(code, /\b(shape|strides|extents|sizes|dims|steps)(!?)\[(\w+)\]/g, (m) => `${m[1]}${m[2]}[${m[3]} + 1]`),
      ...each(
        code,
        /\b(shape|strides|extents|sizes|dims|steps)(!?)\[(\w+) - 1\]/g,
        (m) => `${m[1]}${m[2]}[${m[3]} - 2]`,
      ),
      ...each(code, new RegExp(`(?<=[(,] ?)(?:${DIM})(?=[,)])(?![^()]*\\)(?::| \\{| =>))`, "g"), (m) => `${m[0]} - 1`),
      ...each(code, /(?<=\bextent\(\w+, )(\d+)(?=\))/g, (m) => (m[1] === "0" ? "1" : String(Number(m[1]) - 1))),
      ...each(code, /(?<=\bndim|\brank)(?= - 1)/g, () => " - 1"),
    ],
  },
  {
    name: "kernel tail",
    files: KERNELS,
    find: (code) => [
      // What is left behind the last whole vector.
      ...each(code, /(?<=\bfor \(; )[^;()]+(?=;[^;{}]*\))/g, () => "false"),
      ...each(code, /& ~(3|7|15)\b/g, (m) => `& ~${Number(m[1]) >> 1}`),
      ...each(code, /& (3|7|15)\b/g, (m) => `& ${Number(m[1]) >> 1}`),
      ...each(code, /(?<=[;{})]\s+|else )(?:return )?put\(\w+, \w+, \w+\)/g, (m) =>
        m[0].startsWith("return") ? "return" : "0",
      ),
      // Where a thread's share begins and ends.
      ...each(code, /\b(first)\((\w+), ([\w ]+), ith, nth\)/g, (m) => `first(${m[2]}, ${m[3]} + 1, ith, nth)`),
      ...each(code, /\blast\(args, (\w+), ([\w ]+), ith, nth\)/g, (m) => `last(args, ${m[1]}, ${m[2]} + 1, ith, nth)`),
      ...each(code, /(?<=\bwhile \(\w+ (?:<|>) )\w+(?=\))/g, (m) => `${m[0]} - 1`),
    ],
  },
];
