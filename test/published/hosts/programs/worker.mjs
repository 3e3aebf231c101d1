// Training in a worker thread, of which the package makes more.
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import * as w from "wasmgrad";
import { told, train } from "./train.mjs";

if (isMainThread) new Worker(new URL(import.meta.url)).on("message", (result) => console.log(told(result)));
else parentPort.postMessage(await train(w));
