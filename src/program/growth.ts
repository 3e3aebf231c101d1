// When a device's memory is worth a garbage collection, and when it had better grow ahead. Plain numbers: no device.

/** Live bytes that are never worth a collection. */
const LEAST = 40 << 20;

/** What happened between ticks, which come between steps and batches. */
export class Growth {
  /** Collect now: live bytes have doubled since they settled, or grown by a quarter and the next strides might not fit. */
  crowded = false;
  /** Live bytes behind the last collection. */
  private settled = 0;
  private last = Number.POSITIVE_INFINITY;
  /** The most live bytes that came between two ticks, and the second most: a model or data set is loaded once. */
  private most = 0;
  private stride = 0;

  /** A collection that leaves no more than this has found all there is to find. */
  get enough(): number {
    return Math.max(LEAST, this.settled);
  }

  /**
   * Sets `crowded`; returns the bytes that should be reserved by now. Where two more strides might not fit and a collection
   * is not worth it yet, that is as much as they may need before the next one: memory grows early, and for what lives, not
   * later, by the chance of when the collector ran and where it left holes.
   */
  tick(liveBytes: number, reservedBytes: number): number {
    const grown = liveBytes - this.last;
    this.last = liveBytes;
    this.stride = Math.max(this.stride, Math.min(this.most, grown));
    this.most = Math.max(this.most, grown);
    const worth = Math.max(LEAST, 1.25 * this.settled);
    const tight = liveBytes + 2 * this.stride > reservedBytes;
    this.crowded = liveBytes > (tight ? worth : Math.max(2 * LEAST, 2 * this.settled));
    return tight && !this.crowded ? worth + 2 * this.stride : 0;
  }

  /** The event loop has turned, behind a collection or not. */
  settle(liveBytes: number): void {
    this.last = liveBytes;
    if (this.crowded || liveBytes < this.settled) this.settled = liveBytes;
  }
}
