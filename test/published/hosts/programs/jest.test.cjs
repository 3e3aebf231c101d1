// A test of jest's that trains, in jest's default mode: CommonJS, in a VM context of its own.
const w = require("wasmgrad");
const { told, train } = require("./train.cjs");

test("trains", async () => {
  const result = await train(w);
  expect(result.losses).toHaveLength(20);
  console.log(told(result));
});
