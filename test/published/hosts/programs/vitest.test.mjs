// A test of vitest's that trains (run with --globals).
import * as w from "wasmgrad";
import { told, train } from "./train.mjs";

test("trains", async () => {
  const result = await train(w);
  expect(result.losses).toHaveLength(20);
  console.log(told(result));
});
