// Powers: of tensors and numbers, on either side.
import { type DType, isFloat } from "../core/dtype.ts";
import { fail, given, noMore } from "../core/error.ts";
import { apply, type Op, save } from "../core/op.ts";
import { show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { addScalar, div, mul, mulScalar, rdivScalar } from "./binary.ts";
import { compareScalar } from "./compare.ts";
import { compose } from "./compose.ts";
import { clone, toDtype } from "./copy.ts";
import { constant } from "./create.ts";
import { pairwise, silently } from "./elementwise.ts";
import { zerosAs } from "./gradient.ts";
import { onesLike } from "./create.ts";
import { log, sqrt } from "./unary.ts";
import { where } from "./where.ts";

/** x^y of two tensors. Where y is 0 x has no gradient, and where x is 0 and y not below 0 y has none. */
const Pow: Op = pairwise(
  "pow",
  (g, { saved: [x, y, power] }) => [
    () => where(compareScalar("eq", y!, 0), 0, mul(mul(g, y!), raised(x!, addScalar(y!, -1)))),
    () => mul(g, logged(x!, y!, power!)),
  ],
  (x, y, power, wants) => save(x, y, wants & 2 ? power : null),
);
const raised = (x: Tensor, y: Tensor): Tensor => apply(Pow, [x, y], null);

/** x^y log x, 0 where x is 0 and y is not below 0. */
function logged(x: Tensor, y: Tensor, power: Tensor): Tensor {
  const none = mul(compareScalar("eq", x, 0).int(), compareScalar("ge", y, 0).int());
  return where(none.bool(), 0, mul(power, log(x)));
}
