// How gradients add up: contributions to one of them, and what has come to a leaf before.
import { elementsOf } from "./device.ts";
import { fail } from "./error.ts";
import { faultOf } from "./fault.ts";
import { mode } from "./lifetime.ts";
import { empty, lasting } from "./make.ts";
import { apply, contiguous, denseCopy, launch, type Op, readStrided } from "./op.ts";
import { alive, type Tensor } from "./tensor.ts";

/** a + b, in place where nobody else holds `a`. Both are used up. @internal */
export function addUp(a: Tensor, b: Tensor, create: boolean): Tensor {
  if (create) return apply(Add, [a, b], null);
  const x = settled(a);
  const y = settled(b);
  const out = x.storage.holders === 1 && !x.kept ? x : empty(x.shape, x.dtype, "gradient", x.device);
  launch("add_f32", [out], [x, y], [x.numel], undefined, "backward");
  if (out !== x) x.release("backward()");
  y.release("backward()");
  return out;
}

/** The dense form of a gradient; the other one is released. */
function settled(g: Tensor): Tensor {
  if (g.strides === null) return g;
  const dense = contiguous(g);
  g.release("backward()");
  return dense;
}

const Add: Op = {
  name: "add",
  forward([a, b]) {
    const y = empty(a!.shape, a!.dtype, "add", a!.device);
    launch("add_f32", [y], [a!, b!], [a!.numel]);
    return y;
  },
  vjp: (g) => [g, g],
};

/** The gradient of the leaf `x` becomes `given`, or grows by it. @internal */
export function accumulate(x: Tensor, given: Tensor, create: boolean): void {
  const { recording } = mode;
  recording?.readsGrad(x);
  recording?.touches(x, true);
  const { leaf, ownGrad: before } = x;
  if (x.entry !== null) fail("backward", `${x.describe()}: leaf variable has been moved into the graph interior`);
  if (before !== null) alive("backward", before);
  leaf.sparse?.refuse("backward", "a dense one cannot be added to it, zeroGrad() drops it");
  if (create) {
    // A leaf's gradient lies dense in bytes of its own: nothing that the user gave is written later.
    const own = given.strides === null && given.storage.holders === 1 ? given : denseCopy(given);
    x.setGrad(before === null ? own : apply(Add, [before, own], null));
    return;
  }
  const g = settled(given);
  if (before !== null) {
    if (before.strides !== null) mode.addTo(before, g);
    else launch("add_f32", [before], [before, g], [g.numel], undefined, "accumulate_");
    g.release("backward()");
    return;
  }
  const whole = g.offset === 0 && g.numel === elementsOf(g.storage) && g.storage.holders === 1;
  // No home that is lost, of which rows before may tell, nor in a recording one whose gradient of before the function still has.
  const away =
    recording === null ? leaf.home === null || faultOf(leaf.home.storage) !== null : recording.grads.get(x)!.held;
  if (away && whole && !g.kept) x.setGrad(g);
  else if (recording !== null && whole && !away) {
    // The program writes straight into the leaf's home.
    const bound = recording.recorder.bind(g.storage, leaf.home?.storage ?? null);
    leaf.home ??= lasting(bound, x);
    g.release("backward()");
    x.setGrad(lasting(leaf.home.storage, x));
  } else {
    const home = away ? null : (leaf.home ?? recording!.homeOf(x));
    const own = home === null ? empty(g.shape, g.dtype, "gradient", g.device) : lasting(home.storage, x);
    readStrided("backward", own, g);
    g.release("backward()");
    x.setGrad(own);
  }
}
