// `node --import tsx --import ./test/dist-hook.mjs FILE`: the test gets what is published in the place of the sources'
// entries. Any other file of the sources is an error: what is published has no other doors.
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";
import { doors } from "./doors.mjs";

const root = new URL("..", import.meta.url);
if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, next) {
  if (!specifier.startsWith(".") || !context.parentURL) return next(specifier, context);
  const url = new URL(specifier, context.parentURL).href;
  if (!url.startsWith(`${root}src/`)) return next(specifier, context);
  return next(new URL(doors(url.slice(root.href.length), context.parentURL), root).href, context);
}
