// Takes the steps that a request asks for, in workerd.

import * as w from "wasmgrad";
import relaxed from "wasmgrad/relaxed.wasm";
import { prepare } from "./net.mjs";

let run = null;

export default {
  async fetch(request) {
    run ??= await prepare(w, { wasm: relaxed });
    return Response.json(await run(Number(new URL(request.url).searchParams.get("steps"))));
  },
};
