// Takes the steps that a request asks for, in workerd.

import * as w from "wasmgrad";
import relaxed from "wasmgrad/relaxed.wasm";
import { prepare } from "./net.mjs";

let run = null;

export default {
  async fetch(request) {
    run ??= await prepare(w, { wasm: relaxed });
    const asked = new URL(request.url).searchParams;
    return Response.json(await run(Number(asked.get("steps")), asked.has("keep")));
  },
};
