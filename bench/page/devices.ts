// In the page: the comparison of devices on this browser's wasm and WebGPU, and its table. The same code as in Node.
import * as w from "../../src/index.ts";
import { crossoverText, devicesGrid } from "../crossover.ts";
import {
  type DevicesData,
  type DevicesOptions,
  entrants,
  type Kind,
  measureDevices,
  type Network,
} from "../devices.ts";

declare const tell: ((what: string, done: number, total: number) => void) | undefined;

const library = w as Parameters<typeof measureDevices>[0];

function element(name: string, text = "", children: Node[] = []): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

function show(data: DevicesData): void {
  const [head, rows] = devicesGrid(data);
  const row = (cell: string, texts: readonly string[]): HTMLElement =>
    element(
      "tr",
      "",
      texts.map((t) => element(cell, t)),
    );
  const lines = data.entrants.map((e) => `${e.name}: ${e.why}`);
  if (data.missing !== null) lines.push(`No WebGPU: ${data.missing}`);
  for (const model of ["softmax", "mlp", "cnn"] as Network[]) {
    for (const kind of ["forward", "step"] as Kind[]) {
      lines.push(`${model}, ${kind}: ${crossoverText(data, model, kind)}`);
    }
  }
  lines.push(...data.ended.map((line) => `left out: ${line}`));
  document
    .querySelector("div")!
    .replaceChildren(
      element("table", "", [row("th", head), ...rows.map((r) => row("td", r))]),
      ...lines.map((l) => element("p", l)),
    );
}

/** Measures, shows the table, and gives what was found. */
export async function measureHere(options: DevicesOptions = {}): Promise<DevicesData> {
  const status = document.querySelector("span")!;
  const found = await entrants(library);
  try {
    const data = await measureDevices(library, found, {
      ...options,
      async onPoint({ model, kind, batch }, done, total) {
        const what = `${model}, ${kind}, batch ${batch}`;
        status.textContent = `${done} of ${total}: ${what}`;
        if (typeof tell !== "undefined") tell(what, done, total);
        await new Promise((resolve) => setTimeout(resolve)); // the page is drawn
      },
    });
    show(data);
    return data;
  } finally {
    status.textContent = "";
    for (const { device } of found.list) await device.dispose();
  }
}

/** `?batches=1,64&rounds=3&budget=40` */
function asked(): DevicesOptions {
  const query = new URLSearchParams(location.search);
  const number = (name: string): object => (query.has(name) ? { [name]: Number(query.get(name)) } : {});
  const batches = query.has("batches") ? { batches: query.get("batches")!.split(",").map(Number) } : {};
  return { ...batches, ...number("rounds"), ...number("budget"), ...number("cap") };
}

const button = document.querySelector("button")!;
button.onclick = async () => {
  button.disabled = true;
  try {
    await measureHere(asked());
  } catch (error) {
    document.querySelector("div")!.replaceChildren(element("p", (error as Error).message));
  }
  button.disabled = false;
};
Object.assign(globalThis, { measureHere });
