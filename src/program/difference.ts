// In what two recordings of one captured function differ, and what most often is behind that.
import type { Buffer, Row, Storage } from "../core/device.ts";
import { sameShape, show } from "../core/shape.ts";
import { sameBuffer } from "./compare.ts";

/** The sentence that says so. */
export function difference(a: readonly Row[], b: readonly Row[]): string {
  const names = new Map<Storage, Storage>();
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!];
    const where = `row ${i + 1} (${x.op})`;
    if (x.kernel !== y.kernel) {
      return differ(`${where} is ${x.kernel} in one call and ${y.kernel} in the next`, "the function takes a branch");
    }
    if (!sameShape(x.extents, y.extents)) {
      return differ(
        `${where} runs over ${show(x.extents)} and then ${show(y.extents)}`,
        "a size changes without an input's changing",
      );
    }
    if (!sameShape(x.scalars, y.scalars)) {
      return differ(
        `${where} was given another number`,
        "a JavaScript number changes from call to call: pass it as a tensor",
      );
    }
    for (let j = 0; j < x.buffers.length; j++) {
      if (!sameBuffer(x.buffers[j]!, y.buffers[j]!, names)) {
        return differ(
          `${where} uses another tensor (${labelOf(x.buffers[j]!)}, then ${labelOf(y.buffers[j]!)})`,
          "a tensor is carried over by the closure: pass it in and return it",
        );
      }
    }
  }
  if (a.length !== b.length) {
    const more = (a.length > b.length ? a : b)[Math.min(a.length, b.length)]!;
    return differ(`${a.length} rows and then ${b.length}, from ${more.op} on`, "the function takes a branch");
  }
  return differ("it reads other state of modules or optimizers", "the function takes a branch");
}

const labelOf = ({ storage }: Buffer): string => (storage.alias ?? storage).label;

const differ = (what: string, cause: string): string =>
  `two calls of the function did not launch the same: ${what}: ${cause}; nothing of this call has happened, and the next is recorded anew`;
