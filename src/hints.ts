// Hints in messages: what to write where something else was given. They need nothing, so core may take them.

/** Options that take no number, by the kind of what they take; a flag has its `?`, all others take numbers. */
const TAKEN: Readonly<Record<string, string>> = {
  String: " reduction mode approximate roundingMode annealStrategy lineSearchFn ",
  Function: " avgFn multiAvgFn distanceFunction loss ",
  Tensor: " weight posWeight gradient init ",
  Array: " milestones betas etas stepSizes shape dims batches ",
  device: " device ",
  dtype: " dtype ",
  "": " data cache dir cacheDir mirrors ",
};

const NUMBERLESS = Object.values(TAKEN).join();

const plainly = (names: string): string[] => names.replaceAll("?", "").split(" ");

/** Where a value of this kind, shown so, stands in the place of options: those that take its kind, and all that there are. @internal */
export function instead(kind: string, shown: string, names: string): string {
  const word = /^"(?:(wasm|webgpu|auto)|(?:float|int|bool)\d*)"$/.exec(shown);
  const taken = word ? (word[1] ? "device" : "dtype") : kind;
  const all = plainly(names);
  const fits = all.filter((name, i) => {
    if (names.split(" ")[i] !== name) return taken === "Boolean";
    return taken === "Number" ? !NUMBERLESS.includes(` ${name} `) : TAKEN[taken]?.includes(` ${name} `);
  });
  const value = taken === "Tensor" || taken === "Function" ? "..." : shown;
  const some = fits.slice(0, taken === "Function" ? 2 : 1).map((name) => `{ ${name}: ${value} }`);
  const such = some.length > 0 ? `, such as ${some.join(" or ")}` : "";
  return all.length > 1 || such === "" ? `${such}; it takes ${all.join(", ")}` : such;
}

/** Names that PyTorch or NumPy has, or had, for ours. */
const OTHERS = "axi dim sizeaverage reduction reduce reduction learningrate lr gradoutput gradient".split(" ");
const plain = (name: string): string => name.toLowerCase().replace(/_|s$/g, "");

/** Of a name that is no option: ours that it stands for, as far as there is one, and all that there are. @internal */
export function meant(name: string, names: string): string {
  const all = plainly(names);
  const other = OTHERS[OTHERS.indexOf(plain(name)) + 1];
  const ours = all.find((k) => k === other || plain(k) === plain(name));
  return `${ours ? `, here ${ours}` : ""}: it takes ${all.join(", ")}`;
}

/** Where options stand in the place of a value. @internal */
export const notOptions = (value: unknown): string => (value?.constructor === Object ? ", not options" : "");

/** How labels of what captured functions return end. @internal */
export const CAPTURED = " of a captured function";

/** Of a tensor with this label, from which nothing leads back. @internal */
export function noGradient(described: string, label: string): string {
  const rule = label.endsWith(CAPTURED)
    ? "; results of captured functions are off the tape: call backward() inside"
    : "";
  return `${described}: element 0 of tensors does not require grad and does not have a grad_fn${rule}`;
}
