// Training in a forked process.
import { fork } from "node:child_process";
import * as w from "wasmgrad";
import { told, train } from "./train.mjs";

if (process.send === undefined) fork(new URL(import.meta.url)).on("message", (result) => console.log(told(result)));
else process.send(await train(w));
