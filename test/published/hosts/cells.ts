// All cells of the matrix of hosts.
import type { Cell } from "./cell.ts";
import { cells as checkers } from "./checkers.ts";
import { cells as edge } from "./edge.ts";
import { cells as extension } from "./extension.ts";
import { cells as node } from "./node.ts";

export const cells: readonly Cell[] = [...node, ...edge, ...extension, ...checkers];
