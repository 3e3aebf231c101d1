// softmax and log-softmax of x[outer, n, inner] over n, and their gradients. A line's maximum is subtracted first: -inf
// gives 0, a NaN or +inf makes the whole line NaN.
import type { Row } from "../../core/device.ts";
import type { Implementation, Kernel, Registry } from "../kernel.ts";
import { BASE, groupsFor, type Layout, layoutOf, layouts, place, tree, Walk } from "./rows.ts";

const AT = "base + j * inner";

const lines = (make: (layout: Layout) => Pick<Kernel, "head" | "body">): Implementation => ({
  kernels: layouts((layout) => ({
    groups: ([outer, , inner]) => groupsFor(layout, outer! * inner!),
    ...make(layout),
  })),
  variant: ({ extents }: Row, limits) => {
    const [outer, n, inner] = extents as [number, number, number];
    return layoutOf(limits, outer * inner, n, inner);
  },
});

/** Trees for the maximum, NaN passed over, and the sum of a line. */
export const softmaxHead = (layout: Layout): string =>
  `${tree("max_", layout, "f32", "select(p, q, q > p)")}\n${tree("sum_", layout)}`;

/** `most` (finite, for drivers that know no infinity) and `total`, the sum of e^(v - most): what a line's softmax is made of. */
export const softmaxSums = (walk: Walk): string => `
  ${walk.begin()}
  var lane_most = -0x1.fffffep127f;
  ${walk.each("lane_most = select(lane_most, v, v > lane_most);")}
  let most = max_(li, team, lane_most);
  ${walk.sums("s", (k) => `s${k} += exp_(v${k} - most);`)}
  let total = sum_(li, team, s);`;

/** y | x; `result` of v, most and what `before` makes of total */
const forward = (before: string, result: string): Implementation =>
  lines((layout) => {
    const walk = new Walk(layout, { v: `x[${AT}]` });
    return {
      head: softmaxHead(layout),
      body: `${place(layout, "outer * inner", BASE)}
  ${softmaxSums(walk)}
  ${before}
  ${walk.each(`y[${AT}] = ${result};`)}`,
    };
  });

/** gx | g y; `result` of d, v and total, the sum of `term` over the line */
const backward = (term: (k: string) => string, result: string): Implementation =>
  lines((layout) => {
    const walk = new Walk(layout, { d: `g[${AT}]`, v: `y[${AT}]` });
    return {
      head: tree("sum_", layout),
      body: `${place(layout, "outer * inner", BASE)}
  ${walk.begin()}
  ${walk.sums("s", (k) => `s${k} += ${term(k)};`)}
  let total = sum_(li, team, s);
  ${walk.each(`gx[${AT}] = ${result};`)}`,
    };
  });

export const softmax: Registry = {
  softmax_f32: forward("let scale = 1.0 / total;", "exp_(v - most) * scale"),
  log_softmax_f32: forward("let shift = log_(total);", "(v - most) - shift"),
  softmax_vjp_f32: backward((k) => `d${k} * v${k}`, "v * (d - total)"),
  log_softmax_vjp_f32: backward((k) => `d${k}`, "d - exp_(v) * total"),
};
