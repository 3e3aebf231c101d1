// The extension's page.

import { train } from "./train.mjs";
import * as w from "./wasmgrad/index.js";

globalThis.trainHere = () => train(w);
