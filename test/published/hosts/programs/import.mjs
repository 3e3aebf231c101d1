// The package by `import`; `init` gets what the first argument says.
import * as w from "wasmgrad";
import { told, train } from "./train.mjs";

console.log(told(await train(w)));
