// Takes the steps that a request asks for, in Node: prints its port.
import { createServer } from "node:http";
import * as w from "wasmgrad";
import { prepare } from "./net.mjs";

const run = await prepare(w, { simd: "relaxed" });
const server = createServer(async (request, response) => {
  const steps = Number(new URL(request.url, "http://localhost").searchParams.get("steps"));
  response.end(JSON.stringify(await run(steps)));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
