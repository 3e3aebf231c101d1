// All cases.
import { cases as activation } from "./activation.ts";
import { cases as binary } from "./binary.ts";
import type { Case } from "./case.ts";
import { cases as conv } from "./conv.ts";
import { cases as create } from "./create.ts";
import { cases as inplace } from "./inplace.ts";
import { cases as loss } from "./loss.ts";
import { cases as losses } from "./losses.ts";
import { cases as math } from "./math.ts";
import { cases as matmul } from "./matmul.ts";
import { cases as norm } from "./norm.ts";
import { cases as optim } from "./optim.ts";
import { cases as pool } from "./pool.ts";
import { cases as random } from "./random.ts";
import { cases as reduce } from "./reduce.ts";
import { cases as shape } from "./shape.ts";
import { cases as softmax } from "./softmax.ts";
import { cases as special } from "./special.ts";
import { cases as unary } from "./unary.ts";
import { cases as views } from "./views.ts";
import { cases as where } from "./where.ts";

export const cases: readonly Case[] = [
  ...[
    ...create,
    ...unary,
    ...binary,
    ...math,
    ...special,
    ...where,
    ...shape,
    ...views,
    ...inplace,
    ...reduce,
    ...softmax,
    ...norm,
    ...loss,
    ...activation,
    ...losses,
  ],
  ...[...matmul, ...conv, ...pool, ...random, ...optim],
];
