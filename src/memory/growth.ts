// When a device's memory is worth a garbage collection, and when it had better grow ahead. Plain numbers: no device.

/** What is held that is never worth a collection, where the device does not say; a quarter of the memory where that is less. */
const LEAST = 40 << 20;

/** Bytes that a live storage costs besides its own: its block is a multiple of 64, and the host has some 250 of objects for it. */
export const STORAGE_COST = 320;

/**
 * Live tensors that are never worth a collection. A tensor that nobody holds costs the host about 1 kB until it is collected, which
 * no device's memory shows: it is a scalar most often, or a view. A collection takes 8 ms, tiny steps leave so many in some 300.
 */
const FEW_TENSORS = 3 << 13;

/** Yields to the event loop to wait for finalizers behind a collection. */
const MOST_YIELDS = 6;
/** Where a collection can only be asked for: yields since something was released, and those between two requests. */
const IDLE_YIELDS = 24;
const ASK_AGAIN = 4;

/**
 * What a device's memory did between two observations, which come between steps and batches. A loop leaves 24 MiB a step to the
 * collector: the second time that they come they are the stride, and memory grows at once to 40 MiB and two strides. Once 40 MiB
 * are held and two more strides do not fit, it is crowded: what a collection leaves then, say 6 MiB, is what it settles at.
 */
export class Growth {
  /** Collect now: bytes or tensors have doubled since they settled, or bytes grown by a quarter and the next strides might not fit. */
  crowded = false;
  readonly #least: number;
  /** What was held behind the last collection. */
  #settled = 0;
  #settledTensors = 0;
  /** Tensors that are not worth a collection here: more than elsewhere where one takes long, as over a large heap of other things. */
  #few = FEW_TENSORS;
  /** They call for one now. */
  #many = false;
  /** When the last one for them ended, and how many in a row took longer than what came between. */
  #ended = 0;
  #slow = 0;
  #last = Number.POSITIVE_INFINITY;
  /** The most live bytes that came between two observations, and the second most: a model or data set is loaded once. */
  #most = 0;
  #stride = 0;

  constructor(maximumBytes = Number.POSITIVE_INFINITY, least = LEAST) {
    this.#least = Math.min(least, maximumBytes / 4);
  }

  /** A collection that leaves no more than this has found all there is to find. */
  #enough(heldBytes: number, tensors: number): boolean {
    return (
      heldBytes <= Math.max(this.#least, this.#settled) && tensors <= Math.max(FEW_TENSORS / 2, this.#settledTensors)
    );
  }

  /** Collect now, and wait for all that can go. */
  press(): void {
    this.crowded = true;
    this.#settled = 0;
  }

  /**
   * Sets `crowded`; returns the bytes that should be reserved by now. Where two more strides might not fit and a collection
   * is not worth it yet, that is as much as they may need before the next one: memory grows early, and for what lives, not
   * later, by the chance of when the collector ran and where it left holes. `heldBytes` counts what storages cost besides
   * their bytes: a loop that keeps a million losses holds much more than four million bytes.
   */
  observe(liveBytes: number, reservedBytes: number, heldBytes = liveBytes, tensors = 0): number {
    const grown = liveBytes - this.#last;
    this.#last = liveBytes;
    this.#stride = Math.max(this.#stride, Math.min(this.#most, grown));
    this.#most = Math.max(this.#most, grown);
    const worth = Math.max(this.#least, 1.25 * this.#settled);
    const tight = liveBytes + 2 * this.#stride > reservedBytes;
    this.#many = tensors > Math.max(this.#few, 2 * this.#settledTensors);
    this.crowded = heldBytes > (tight ? worth : Math.max(2 * this.#least, 2 * this.#settled)) || this.#many;
    return tight && !this.crowded ? worth + 2 * this.#stride : 0;
  }

  /**
   * Yields to the event loop; where it is crowded, collects and waits for the finalizers, a task of their own a few yields
   * behind. Where `collect` is false it has only asked for a collection, which may itself take a while: a loop must not run
   * ahead of it.
   */
  async collect(
    collect: () => boolean,
    yieldOnce: () => Promise<void>,
    held: () => number,
    tensors: () => number = () => 0,
  ): Promise<void> {
    const collected = !this.crowded || collect();
    let before = held();
    let most = collected ? MOST_YIELDS : IDLE_YIELDS;
    for (let i = 0; i === 0 || (this.crowded && i < most && !this.#enough(held(), tensors())); i++) {
      if (!collected && i % ASK_AGAIN === ASK_AGAIN - 1) collect();
      await yieldOnce();
      if (!collected && held() < before) most = i + IDLE_YIELDS;
      before = held();
    }
  }

  /** A collection took this long: those for tensors get no more than half of the time. One or two may be held up by the host. */
  took(began: number, ended: number): void {
    if (!this.#many) return;
    this.#slow = ended - began > began - this.#ended ? this.#slow + 1 : 0;
    if (this.#slow > 2) this.#few *= 2;
    this.#ended = ended;
    this.#many = false;
  }

  /** The event loop had its turn, behind a collection or not. */
  settle(liveBytes: number, heldBytes = liveBytes, tensors = 0): void {
    this.#last = liveBytes;
    if (this.crowded || heldBytes < this.#settled) this.#settled = heldBytes;
    if (this.crowded || tensors < this.#settledTensors) this.#settledTensors = tensors;
  }
}
