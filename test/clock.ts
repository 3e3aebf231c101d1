// Limits on waiting, tested without waiting: timers of a given length end when the test says that so much time has gone by.

/** Takes the place of the host's timers of exactly `length` ms; others stay the host's. */
export class Clock {
  private readonly host = { set: globalThis.setTimeout, clear: globalThis.clearTimeout };
  private readonly timers = new Map<unknown, { readonly at: number; readonly f: () => void }>();
  private now = 0;

  constructor(length: number) {
    const { set, clear } = this.host;
    globalThis.setTimeout = ((f: () => void, ms?: number, ...rest: unknown[]) => {
      if (ms !== length) return (set as (...args: unknown[]) => unknown)(f, ms, ...rest);
      const timer = {};
      this.timers.set(timer, { at: this.now + length, f });
      return timer;
    }) as typeof setTimeout;
    globalThis.clearTimeout = ((timer: Parameters<typeof clearTimeout>[0]) => {
      if (!this.timers.delete(timer)) clear(timer);
    }) as typeof clearTimeout;
  }

  /** So many ms go by: what was to end in them ends. */
  pass(ms: number): void {
    this.now += ms;
    for (const [timer, { at, f }] of this.timers) {
      if (at > this.now) continue;
      this.timers.delete(timer);
      f();
    }
  }

  /** Gives the host its timers back. */
  end(): void {
    globalThis.setTimeout = this.host.set;
    globalThis.clearTimeout = this.host.clear;
  }
}
