// A sample of the matrix of hosts: the published package, packed and installed, in hosts without a bundler. All of it:
// node --import tsx test/published/hosts.ts.
import { basename } from "node:path";
import { suite } from "uvu";
import { judge, lacks } from "./published/hosts/cell.ts";
import { cells } from "./published/hosts/cells.ts";
import { type Packed, packed } from "./published/pack.ts";

const SAMPLE = [
  ...[
    "Node 24: import",
    "Node 24: require",
    "Node 24: jest",
    "Deno: import, --allow-read",
    "Bun: import",
    "Bun: require",
  ],
  ...["workerd", "publint", "attw"],
];

const hosts = suite("hosts");
let published: Packed;
hosts.before(async () => {
  published = await packed();
});
hosts.after(() => published.close());

for (const name of SAMPLE) {
  const cell = cells.find((c) => c.name === name)!;
  const missing = lacks(cell);
  if (missing === null) hosts(name, async () => void (await judge(cell, published.folder)));
  else {
    console.log(`skipped: ${name}: no ${basename(missing)} here: npm ci --prefix test/published (and test/runtimes)`);
    hosts.skip(name, () => {});
  }
}

hosts.run();
