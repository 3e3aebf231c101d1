// Where tests run: in a host or in a page, where some cannot. dist.test.ts runs them in both, on the published files.
import { test } from "uvu";

/** In a page's own thread: it may not wait, and there are no files and no environment. */
export const inPage = typeof document !== "undefined";

/** A variable of the environment. Pages have those that dist.test.ts gives them. */
export const variable = (name: string): string | undefined =>
  (inPage ? (globalThis as { variables?: NodeJS.ProcessEnv }).variables : process.env)?.[name];

/** A test of what pages do not have, such as waits that block: skipped there by name. */
export const hostTest = (name: string, f: () => Promise<void>): void => {
  if (!inPage) {
    test(name, f);
    return;
  }
  test.skip(name, f);
  console.log(`skipped: ${name}: not in a page`);
};
