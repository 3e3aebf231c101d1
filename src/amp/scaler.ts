// GradScaler: losses are scaled up, so that gradients of float16 do not vanish; a step whose gradients overflowed is skipped.
//
// Scale, growth tracker and what was found lie on the device, and a GPU skips the optimizer's rows by itself: nothing is read
// back, so a captured step scales too. Other devices, which have no float16, wait for the answer.

import type { Device } from "../core/device.ts";
import { type Bound, checkNumber, expectOptions, fail, given, noMore } from "../core/error.ts";
import { contiguous, launch } from "../core/op.ts";
import { guard, lastingState, noteGrad, noteRead, recordingNow, refuseInCapture } from "../core/recording.ts";
import { Tensor } from "../core/tensor.ts";
import { mulScalar } from "../ops/binary.ts";
import { COUNT, SIZE } from "../ops/bounds.ts";
import { add_, copy_, fill_, full, mul, mul_, sum } from "../ops/index.ts";
import { noGrad, scope } from "../ops/modes.ts";
import { word } from "../row/words.ts";

/** Options of `GradScaler`. */
export interface GradScalerOptions {
  /** The scale at the start; 65536 by default. */
  initScale?: number;
  /** What the scale is multiplied by after `growthInterval` steps without infinities; 2 by default. */
  growthFactor?: number;
  /** What it is multiplied by after a step with one, between 0 and 1; 0.5 by default. */
  backoffFactor?: number;
  /** Steps without infinities after which the scale grows; 2000 by default. */
  growthInterval?: number;
  /** False: losses and steps are left alone. True by default. */
  enabled?: boolean;
}

/** What `stateDict()` of an enabled scaler gives. */
export interface GradScalerState {
  /** What losses are multiplied by. */
  scale: number;
  /** What the scale is multiplied by after `growthInterval` steps without infinities. */
  growthFactor: number;
  /** What it is multiplied by after a step with one. */
  backoffFactor: number;
  /** Steps without infinities after which the scale grows. */
  growthInterval: number;
  /** Such steps so far. */
  growthTracker: number;
}

/** What a scaler needs of an optimizer. */
export interface Stepping {
  /** Groups of parameters. */
  readonly paramGroups: readonly {
    /** The parameters, whose gradients are unscaled. */
    readonly params: readonly Tensor[];
  }[];
  /** Changes the parameters. */
  step(): void;
}

/** Most gradients in one row. */
const SEGMENTS = 64;
const DEFAULTS = { initScale: 65536, growthFactor: 2, backoffFactor: 0.5, growthInterval: 2000, enabled: true };
const POSITIVE: Bound = [(v) => v > 0 && v < Number.POSITIVE_INFINITY, "a positive number"];
const RULES: Record<string, Bound> = {
  initScale: POSITIVE,
  scale: POSITIVE,
  growthFactor: [(v) => v > 1, "a number above 1"],
  backoffFactor: [(v) => v > 0 && v < 1, "a number between 0 and 1"],
  growthInterval: SIZE,
  growthTracker: COUNT,
};

function checked(subject: string, values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) checkNumber(subject, name, value, RULES[name]);
}

function say(detail: string): never {
  fail("GradScaler", detail);
}

/**
 * Scales losses up and gradients down: `scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()`. A step in
 * whose gradients an infinity or a NaN is found changes neither parameters nor optimizer state, and halves the scale.
 * https://pytorch.org/docs/stable/amp.html#torch.cuda.amp.GradScaler
 */
export class GradScaler {
  #options: Required<GradScalerOptions>;
  /** float32 [] and int32 [], on the device of the first loss. */
  #scale: Tensor | null = null;
  #tracker: Tensor | null = null;
  #startTracker = 0;
  /** int32 []: whether a gradient of the optimizer is not finite. */
  readonly #found = new WeakMap<Stepping, Tensor>();
  /** Optimizers since the last update. */
  readonly #stages = new Map<Stepping, "unscaled" | "stepped">();

  constructor(options: GradScalerOptions = {}, ...none: []) {
    expectOptions("GradScaler", options, `${Object.keys(DEFAULTS).join(" ")}?`, none);
    this.#options = { ...DEFAULTS, ...options };
    const { enabled: _, ...numbers } = this.#options;
    checked("GradScaler", numbers);
  }

  /** False where `enabled: false` was given: losses and steps are left alone. */
  isEnabled(...none: []): boolean {
    noMore("GradScaler", none);
    return this.#options.enabled;
  }

  /** The scale as it is now, read from the device; 1 where the scaler is not enabled. */
  async getScale(...none: []): Promise<number> {
    noMore("GradScaler", none);
    if (!this.isEnabled()) return 1;
    return this.#scale === null ? this.#options.initScale : read(this.#scale);
  }

  /** The loss times the scale, for `backward()`: the same shape. */
  scale(loss: Tensor): Tensor;
  /** The losses times the scale. */
  scale(losses: readonly Tensor[]): Tensor[];
  scale(loss: Tensor | readonly Tensor[], ...none: []): Tensor | Tensor[] {
    noMore("GradScaler", none);
    if (!this.isEnabled()) return loss as Tensor;
    if (Array.isArray(loss))
      return loss.map((x) =>
        Array.isArray(x) ? say("scale([[...]]): losses in one array are expected") : this.scale(x),
      );
    if (!(loss instanceof Tensor)) say(`scale(${given(loss)}): a tensor or an array of tensors is expected`);
    // As the root of a backward, it stays readable behind the next forward.
    return mul(loss.keep(), this.#stateOn(loss.device));
  }

  /**
   * Divides the gradients by the scale, in place, before they are clipped, for example. `step` does it where this was not called.
   * Once between updates: twice is an error.
   */
  unscale_(optimizer: Stepping, ...none: []): void {
    noMore("GradScaler", none);
    if (!this.isEnabled()) return;
    const stage = this.#stages.get(optimizer);
    if (stage === "unscaled") say("unscale_() twice on an optimizer: once between updates is expected");
    if (stage === "stepped") say("unscale_() behind step(): it is expected before it");
    const grads = gradientsOf(optimizer);
    const scale = this.#stateOn(grads[0]!.device);
    const found = this.#foundOf(optimizer, scale.device);
    noGrad(() => fill_(found, 0));
    if (scale.device.float16) unscaleRows(grads, scale, found);
    else unscaleNow(grads, scale, found);
    this.#stages.set(optimizer, "unscaled");
  }

  /**
   * `optimizer.step()`, unless an infinity or a NaN is in the gradients. A GPU decides by itself; a device without float16 waits
   * for the answer, and refuses where it may not.
   */
  step(optimizer: Stepping, ...none: []): void {
    noMore("GradScaler", none);
    if (!this.isEnabled()) {
      optimizer.step();
      return;
    }
    if (this.#stages.get(optimizer) === "stepped") say("step() twice on an optimizer: update() is expected in between");
    if (this.#stages.get(optimizer) === undefined) this.unscale_(optimizer);
    const found = this.#found.get(optimizer)!;
    if (found.device.float16) {
      const skip = (on: number): void => launch("amp_skip_i32", [found], [], [1], [on], "GradScaler");
      skip(1);
      try {
        optimizer.step();
      } finally {
        skip(0);
      }
    } else if (readNow(found) === 0) optimizer.step();
    this.#stages.set(optimizer, "stepped");
  }

  /** Makes the scale of the next step, after `step()`; or puts `newScale`, a positive number, in its place. */
  update(newScale?: number, ...none: []): void {
    noMore("GradScaler", none);
    if (!this.isEnabled()) return;
    if (newScale !== undefined) {
      checked("GradScaler.update", { scale: newScale });
      if (this.#scale === null) this.#options = { ...this.#options, initScale: newScale };
      else noGrad(() => fill_(this.#scale!, newScale));
    } else {
      const founds = [...this.#stages.keys()].map((o) => this.#found.get(o)!);
      if (founds.length === 0) {
        say("update() without step(): one is expected before, in a captured function with it");
      }
      this.#advance(founds);
    }
    this.#stages.clear();
  }

  #advance([found, ...others]: Tensor[]): void {
    const [scale, tracker] = [this.#scale!, this.#tracker!];
    const { growthFactor, backoffFactor, growthInterval } = guard(() => this.#options);
    noGrad(() => {
      for (const o of others) add_(found!, o);
    });
    if (scale.device.float16) {
      noteRead(found!);
      const scalars = [word(growthFactor), word(backoffFactor), growthInterval];
      launch("amp_update_f32", [scale, tracker], [found!], [1], scalars, "GradScaler");
      return;
    }
    const before = readNow(scale);
    const steps = readNow(found!) === 0 ? readNow(tracker) + 1 : 0;
    const grown = steps === growthInterval ? Math.fround(before * growthFactor) : before;
    const next = steps === 0 ? before * backoffFactor : Number.isFinite(grown) ? grown : before;
    noGrad(() => {
      fill_(scale, next);
      fill_(tracker, steps % growthInterval);
    });
  }

  /** Numbers of a checkpoint; `{}` where the scaler is not enabled. https://pytorch.org/docs/stable/amp.html#torch.cuda.amp.GradScaler.state_dict */
  async stateDict(...none: []): Promise<GradScalerState | Record<string, never>> {
    noMore("GradScaler", none);
    if (!this.isEnabled()) return {};
    const { growthFactor, backoffFactor, growthInterval } = this.#options;
    const tracker = this.#tracker === null ? this.#startTracker : read(this.#tracker);
    const [scale, growthTracker] = await Promise.all([this.getScale(), tracker]);
    return { scale, growthFactor, backoffFactor, growthInterval, growthTracker };
  }

  /** Takes over what `stateDict()` gave; does nothing where the scaler is not enabled. */
  loadStateDict(dict: GradScalerState, ...none: []): void {
    noMore("GradScaler", none);
    if (!this.isEnabled()) return;
    const { scale, growthFactor, backoffFactor, growthInterval, growthTracker } = dict ?? {};
    checked("GradScaler.loadStateDict", { scale, growthFactor, backoffFactor, growthInterval, growthTracker });
    refuseInCapture("GradScaler.loadStateDict", "replaces state: load outside the captured function");
    this.#options = { ...this.#options, initScale: scale, growthFactor, backoffFactor, growthInterval };
    this.#startTracker = growthTracker;
    noGrad(() => {
      if (this.#scale !== null) fill_(this.#scale, scale);
      if (this.#tracker !== null) fill_(this.#tracker, growthTracker);
    });
  }

  /** The scale; it and the tracker are made on the device that first needs them. */
  #stateOn(device: Device): Tensor {
    this.#scale ??= lastingState(() => full([], this.#options.initScale, { device }).keep());
    this.#tracker ??= lastingState(() => full([], this.#startTracker, { dtype: "int32", device }).keep());
    const own = this.#scale.device;
    if (own !== device) say(`the scale is on ${own.type}, what it is for on ${device.type}: each device takes its own`);
    return this.#scale;
  }

  #foundOf(optimizer: Stepping, device: Device): Tensor {
    let found = this.#found.get(optimizer);
    if (found === undefined) {
      found = lastingState(() => full([], 0, { dtype: "int32", device }).keep());
      this.#found.set(optimizer, found);
    }
    return found;
  }
}

function gradientsOf(optimizer: Stepping): Tensor[] {
  const groups: unknown = optimizer?.paramGroups;
  const params = Array.isArray(groups) ? groups.flatMap((group) => group?.params as unknown) : [null];
  const grads: Tensor[] = [];
  for (const p of params) {
    if (!(p instanceof Tensor)) say(`${given(optimizer)} was given: an optimizer is expected`);
    noteGrad(p);
    p.own?.sparse?.refuse("GradScaler");
    const g = p.ownGrad;
    if (g === null) continue;
    if (g.dtype !== "float32") say(`the gradient of ${p.describe()} is float16: parameters must be float32`);
    const { device } = grads[0] ?? g;
    if (g.device !== device)
      say(`${p.describe()} is on ${g.device.type}, the first on ${device.type}: one is expected`);
    grads.push(g);
  }
  if (grads.length === 0) say("the optimizer's parameters have no gradients: backward() comes first");
  return grads;
}

async function read(x: Tensor): Promise<number> {
  refuseInCapture("GradScaler", "reads its state: ask outside the captured function");
  return (await x.device.read(x, 1, x.dtype))[0]!;
}

function readNow(x: Tensor): number {
  if (recordingNow() !== null || !x.device.canBlock) {
    const where = recordingNow() !== null ? "in a captured step" : "on this thread";
    say(
      `${where} ${x.device.type} cannot wait for what the gradients hold: float32 needs no scaling, use enabled: false`,
    );
  }
  return x.device.readSync(x, 1, x.dtype)[0]!;
}

/** Gradients divided by the scale in place, and 1 in `found` where one of them is not finite. */
function unscaleRows(grads: readonly Tensor[], scale: Tensor, found: Tensor): void {
  noteRead(scale);
  for (let i = 0; i < grads.length; i += SEGMENTS) {
    const some = grads.slice(i, i + SEGMENTS);
    const dense = some.map((g) => (g.strides === null ? g : noGrad(() => contiguous(g))));
    const lengths = some.map((g) => g.numel);
    launch("amp_unscale_f32", [found, ...dense], [scale], [some.length, ...lengths], [], "GradScaler");
    some.forEach((g, j) => {
      if (g === dense[j]) return;
      noGrad(() => copy_(g, dense[j]!));
      dense[j]!.release("GradScaler");
    });
  }
}

function unscaleNow(grads: readonly Tensor[], scale: Tensor, found: Tensor): void {
  const inverse = 1 / readNow(scale);
  noGrad(() =>
    scope(() => {
      for (const g of grads) {
        // 0 times an infinity is a NaN.
        if (Number.isNaN(readNow(sum(mulScalar(g, 0))))) fill_(found, 1);
        mul_(g, inverse);
      }
    }),
  );
}
