// Module: what holds parameters and has a forward. Its tree is found by walking own properties when it is asked for, so
// there is no registration: parameters, modules, and arrays of both count, in order of definition.

import type { Device } from "../core/device.ts";
import { expectFlag, expectOptions, fail, given, kindOf, noMore, WasmgradError } from "../core/error.ts";
import { alias } from "../core/make.ts";
import { guard } from "../core/recording.ts";
import { sameShape, show } from "../core/shape.ts";
import { alive, Tensor } from "../core/tensor.ts";
import { moveAll } from "../ops/follow.ts";
import { copy_ } from "../ops/index.ts";
import { expectFunction, noGrad } from "../ops/modes.ts";
import { Parameter } from "./parameter.ts";
import { noteModule } from "./watched.ts";

/** Any module, whatever it takes and returns. */
export type AnyModule = Module<never[], unknown>;

/** Tensors by key, such as `0.weight`. */
export type StateDict = Record<string, Tensor>;

/** What hangs on a module, or on an array of modules and parameters. */
interface Node {
  readonly parameters: [string, Parameter][];
  readonly buffers: [string, Tensor][];
  readonly children: [string, AnyModule | readonly unknown[]][];
}

/**
 * Base of layers and models: a subclass has a `forward` and puts parameters and modules into its properties (JavaScript's
 * `#private` ones are not seen). `A` are forward's arguments, `R` its result.
 * https://pytorch.org/docs/stable/generated/torch.nn.Module.html
 */
export abstract class Module<A extends unknown[] = [Tensor], R = Tensor> {
  #training = true;
  readonly #buffers = new Map<string, { persistent: boolean }>();

  /** Takes nothing: what a layer without a constructor is given comes here, such as PyTorch's `inplace`. */
  constructor(...none: []) {
    noMore(this.typeName(), none);
    noteModule(this);
  }

  /** Applies the module. PyTorch calls the module itself; here it is `model.forward(x)`. */
  abstract forward(...inputs: A): R;

  /** Set by `train()` and `eval()`; true at first. A captured function that reads it is recorded anew when it changes. */
  get training(): boolean {
    return guard(() => this.#training);
  }

  set training(on: boolean) {
    expectFlag(this.typeName(), "training", on);
    this.#training = on;
  }

  /** Parameters of this module and all below; one that is shared is listed once. */
  parameters(...none: []): Parameter[] {
    noMore("parameters", none);
    return this.namedParameters().map(([, p]) => p);
  }

  /** Parameters with their keys, such as `0.weight`, each once. */
  namedParameters(...none: []): [string, Parameter][] {
    noMore("namedParameters", none);
    return unique(this.#namedNodes().flatMap(([path, node]) => prefixed(path, node.parameters)));
  }

  /** Buffers of this module and all below. */
  buffers(...none: []): Tensor[] {
    noMore("buffers", none);
    return this.namedBuffers().map(([, b]) => b);
  }

  /** Buffers with their keys, each once. */
  namedBuffers(...none: []): [string, Tensor][] {
    noMore("namedBuffers", none);
    return unique(this.#namedNodes().flatMap(([path, node]) => prefixed(path, node.buffers)));
  }

  /** This module and all below, each once. */
  modules(...none: []): AnyModule[] {
    noMore("modules", none);
    return this.namedModules().map(([, m]) => m);
  }

  /** This module (with the key "") and all below, each once. */
  namedModules(...none: []): [string, AnyModule][] {
    noMore("namedModules", none);
    return this.#namedNodes()
      .filter((entry): entry is [string, Node, AnyModule] => entry[2] instanceof Module)
      .map(([path, , m]) => [path, m]);
  }

  /** Modules one level below, each once; those of an array property count. */
  children(...none: []): AnyModule[] {
    noMore("children", none);
    return this.namedChildren().map(([, m]) => m);
  }

  /** Modules one level below with their names, each once; those of an array property are `layers.0` and so on. */
  namedChildren(...none: []): [string, AnyModule][] {
    noMore("namedChildren", none);
    const list = (path: string, node: Node): [string, AnyModule][] =>
      node.children.flatMap(([key, child]) => {
        const name = join(path, key);
        return child instanceof Module ? [[name, child] as [string, AnyModule]] : list(name, nodeOf(child));
      });
    return unique(list("", nodeOf(this)));
  }

  /**
   * Makes `tensor` the property `name` and part of the state dict (unless `persistent` is false), but no parameter.
   * Change it in place. https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_buffer
   */
  registerBuffer(
    name: string,
    tensor: Tensor | null,
    options: {
      /** Whether it is part of the state dict; true by default. */
      persistent?: boolean;
    } = {},
    ...none: []
  ): void {
    expectOptions("registerBuffer", options, "persistent?", none);
    const own = this as unknown as Record<string, unknown>;
    if (typeof name !== "string" || name === "" || name.includes("."))
      fail("registerBuffer", `name ${given(name)}: a name without dots is expected`);
    if (name in this && own[name] != null)
      fail("registerBuffer", `name ${given(name)}: the module already has such a property`);
    if (tensor !== null && !(tensor instanceof Tensor))
      fail("registerBuffer", `${given(name)} is ${given(tensor)}: a tensor or null is expected`);
    tensor?.keep();
    own[name] = tensor;
    this.#buffers.set(name, { persistent: options.persistent ?? true });
  }

  /** How a buffer was registered; undefined for what is no buffer. @internal */
  bufferOptions(name: string): { readonly persistent: boolean } | undefined {
    return this.#buffers.get(name);
  }

  /** Sets the training flag (true by default) of this module and all below, which dropout reads. Returns this module. */
  train(on = true, ...none: []): this {
    noMore("train", none);
    if (typeof on !== "boolean") fail("train", `${given(on)}: the training mode is a boolean`);
    for (const m of this.modules()) m.training = on;
    return this;
  }

  /** Clears the training flag of this module and all below. Returns this module. */
  eval(...none: []): this {
    noMore("eval", none);
    return this.train(false);
  }

  /** Calls `f` for all modules below and then this one, which it returns. */
  apply(f: (module: AnyModule) => void, ...none: []): this {
    noMore("apply", none);
    expectFunction("apply", f);
    for (const child of this.children()) child.apply(f);
    f(this);
    return this;
  }

  /** Thaws (true, by default) or freezes the parameters of this module and all below. Returns this module. */
  requiresGrad_(on = true, ...none: []): this {
    noMore("requiresGrad_", none);
    for (const p of this.parameters()) p.requiresGrad = on;
    return this;
  }

  /** Drops the gradients of all parameters: they become null. */
  zeroGrad(...none: []): void {
    noMore("zeroGrad", none);
    for (const p of this.parameters()) p.grad = null;
  }

  /**
   * Parameters and persistent buffers by key, sharing storage with the module; a shared one stands under each key.
   * https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict
   */
  stateDict(...none: []): StateDict {
    noMore("stateDict", none);
    return Object.fromEntries(this.#namedState().map(([key, x]) => [key, alias(x)]));
  }

  /**
   * Copies the tensors of `dict` into parameters and buffers, in place, converted to their dtypes. All keys, shapes and
   * devices are checked first: when one is wrong the error lists them all and nothing is written. `strict: false` lets keys
   * be missing or too many.
   * https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict
   */
  loadStateDict(
    dict: Readonly<StateDict>,
    options: {
      /** False: keys may be missing or too many; true by default. */
      strict?: boolean;
    } = {},
    ...none: []
  ): {
    /** Keys of the module that `dict` does not have. */
    missingKeys: string[];
    /** Keys of `dict` that the module does not have. */
    unexpectedKeys: string[];
  } {
    expectOptions("loadStateDict", options, "strict?", none);
    if (kindOf(dict) !== "Object")
      fail("loadStateDict", `${given(dict)} was given: a state dict is expected, as await load() gives`);
    const state = this.#namedState();
    const keys = new Set(state.map(([key]) => key));
    const missingKeys = [...keys].filter((key) => !Object.hasOwn(dict, key));
    const unexpectedKeys = Object.keys(dict).filter((key) => !keys.has(key));
    const errors: string[] = [];
    if (options.strict ?? true) {
      const quote = (list: string[]): string => list.map((key) => `"${key}"`).join(", ");
      if (missingKeys.length > 0) errors.push(`missing key(s) in the state dict: ${quote(missingKeys)}.`);
      if (unexpectedKeys.length > 0) errors.push(`unexpected key(s) in the state dict: ${quote(unexpectedKeys)}.`);
    }
    const present = state.filter(([key]) => Object.hasOwn(dict, key));
    for (const [key, x] of present) {
      const wrong = misfit(key, dict[key], x);
      if (wrong !== null) errors.push(wrong);
    }
    if (errors.length > 0) {
      throw new WasmgradError(
        `loadStateDict: error(s) in loading the state dict for ${this.typeName()}:\n\t${errors.join("\n\t")}`,
      );
    }
    noGrad(() => {
      for (const [key, x] of present) copy_(x, dict[key]!);
    });
    return { missingKeys, unexpectedKeys };
  }

  /**
   * Moves parameters, buffers, gradients and the optimizers' state of the parameters to another device, in place: they stay
   * the same objects. `"wasm"` and `"webgpu"` mean the latest device of that name; one is made where there is none.
   * Await it before the module is used again.
   */
  async to(device: Device | "wasm" | "webgpu", ...none: []): Promise<this> {
    noMore("to", none);
    await moveAll("to", [...this.parameters(), ...this.buffers()], device);
    return this;
  }

  /** What stands between the parentheses when the module is printed: for subclasses to say. */
  protected extraRepr(): string {
    return "";
  }

  /** The class's name, in printing and messages. */
  protected typeName(): string {
    return this.constructor.name;
  }

  /** The tree of modules, as PyTorch prints it. */
  toString(): string {
    const extra = this.extraRepr();
    const lines = nodeOf(this).children.map(([key, child]) => `(${key}): ${indent(repr(child))}`);
    if (extra !== "") lines.unshift(...extra.split("\n"));
    if (lines.length === 0) return `${this.typeName()}()`;
    if (lines.length === 1 && extra !== "") return `${this.typeName()}(${extra})`;
    return `${this.typeName()}(\n  ${lines.join("\n  ")}\n)`;
  }

  /** @internal */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /** Modules and arrays of them from the top down, each once, or under each of its paths. @internal */
  #namedNodes(again = false): [string, Node, AnyModule | readonly unknown[]][] {
    const found: [string, Node, AnyModule | readonly unknown[]][] = [];
    const seen = new Set<unknown>();
    const visit = (path: string, holder: AnyModule | readonly unknown[]): void => {
      if (seen.has(holder)) return; // such as a child that refers to its parent
      seen.add(holder);
      const node = nodeOf(holder);
      found.push([path, node, holder]);
      for (const [key, child] of node.children) visit(join(path, key), child);
      if (again) seen.delete(holder);
    };
    visit("", this);
    return found;
  }

  /** Parameters and persistent buffers under each of their keys. @internal */
  #namedState(): [string, Tensor][] {
    return this.#namedNodes(true).flatMap(([path, { parameters, buffers }, holder]) => {
      const kept = buffers.filter(([key]) => (holder as AnyModule).bufferOptions(key)?.persistent);
      return prefixed(path, [...parameters, ...kept]);
    });
  }
}

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);

const prefixed = <T>(path: string, list: readonly [string, T][]): [string, T][] =>
  list.map(([key, value]) => [join(path, key), value]);

/** Entries whose value did not come before. */
function unique<T>(list: readonly [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return list.filter(([, value]) => !seen.has(value) && seen.add(value));
}

/** Parameters, buffers and children among the own properties of a module, or the items of an array. */
function nodeOf(holder: AnyModule | readonly unknown[]): Node {
  const node: Node = { parameters: [], buffers: [], children: [] };
  const module = holder instanceof Module ? holder : null;
  for (const [key, value] of Object.entries(holder)) {
    if (value instanceof Parameter) node.parameters.push([key, value]);
    else if (value instanceof Tensor) {
      if (module?.bufferOptions(key) !== undefined) node.buffers.push([key, value]);
    } else if (value instanceof Module) node.children.push([key, value]);
    else if (Array.isArray(value) && value.some(holds)) node.children.push([key, value]);
  }
  return node;
}

const holds = (value: unknown): boolean =>
  value instanceof Parameter || value instanceof Module || (Array.isArray(value) && value.some(holds));

/** What keeps `value` from being copied into `x`, or null. */
function misfit(key: string, value: unknown, x: Tensor): string | null {
  if (!(value instanceof Tensor)) return `${key} is ${given(value)}: a tensor is expected.`;
  alive("loadStateDict", value);
  if (!sameShape(value.shape, x.shape)) {
    return `size mismatch for ${key}: copying a tensor of shape ${show(value.shape)}, the shape in the current model is ${show(x.shape)}.`;
  }
  if (value.device !== x.device)
    return `device mismatch for ${key}: the tensor is on ${value.device.type}, the model on ${x.device.type}.`;
  return null;
}

const indent = (text: string): string => text.split("\n").join("\n  ");

/** An array is printed as a ModuleList, in which equal neighbours share a line. */
function repr(child: AnyModule | readonly unknown[]): string {
  if (child instanceof Module) return child.toString();
  const items = nodeOf(child);
  const texts = items.children.map(([key, item]) => ({ key, text: repr(item) }));
  const lines: string[] = items.parameters.map(([key, p]) => `(${key}): Parameter containing: [${show(p.shape)}]`);
  for (let i = 0; i < texts.length; ) {
    let next = i + 1;
    while (next < texts.length && texts[next]!.text === texts[i]!.text) next++;
    const { key, text } = texts[i]!;
    const count = next - i;
    lines.push(
      count > 1 ? `(${key}-${texts[next - 1]!.key}): ${count} x ${indent(text)}` : `(${key}): ${indent(text)}`,
    );
    i = next;
  }
  return `ModuleList(\n  ${lines.join("\n  ")}\n)`;
}
