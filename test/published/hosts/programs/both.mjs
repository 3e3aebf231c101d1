// One program that imports the package, and requires it, as dependencies of both kinds do. Each has state of its own.
import { createRequire } from "node:module";
import * as w from "wasmgrad";
import { told, train } from "./train.mjs";

const required = createRequire(import.meta.url)("wasmgrad");
const [one, other] = [await train(w), await train(required)];
if (JSON.stringify(one.losses) !== JSON.stringify(other.losses)) throw new Error(`the losses differ: ${other.losses}`);
console.log(told(one));
