// Some of the calls of `npm run hostile`: no public function answers a value that it does not expect with an error of the host's.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hostile, TARGETS } from "./hostile.ts";

const [CALLS, SEED] = [4000, 11];

test("calls with values that nobody expects end in a result or in an error of the package", async () => {
  assert.ok(Object.keys(TARGETS).length > 1000);
  const rejected: unknown[] = [];
  const note = (error: unknown): number => rejected.push(error);
  process.on("unhandledRejection", note);
  assert.equal(await hostile(CALLS, SEED), []);
  process.off("unhandledRejection", note);
  assert.equal(rejected.map(String), []);
});

test.run();
