// Saves one file over and over, each time with another number in all its places, until it is killed.
import { save } from "../src/io/index.ts";
import type { HostTensor } from "../src/io/safetensors.ts";

const [path, begin, floats] = process.argv.slice(2) as [string, string, string];

const filled = (value: number): Record<string, HostTensor> => {
  const data = new Float32Array(Number(floats)).fill(value);
  return {
    a: { dtype: "float32", shape: [data.length], data },
    b: { dtype: "float32", shape: [1, data.length], data },
  };
};

for (let i = Number(begin); ; i++) {
  const saved = save(path, filled(i), { number: String(i) });
  if (i === Number(begin)) process.stdout.write("saving\n");
  await saved;
}
