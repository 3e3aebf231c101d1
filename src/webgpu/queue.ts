// What is handed to the GPU, in order. A job that waits for a pipeline holds back those behind it, so rows, host writes
// and reads keep the order in which they were asked for.

export interface Job {
  /** Promises that must be settled first; empty when it can run at once. */
  readonly waits: () => readonly Promise<void>[];
  readonly run: () => void;
}

export class Queue {
  private jobs: Job[] = [];
  private waiting = false;

  /** True when nothing is held back. */
  get idle(): boolean {
    return this.jobs.length === 0;
  }

  push(job: Job): void {
    this.jobs.push(job);
    if (!this.waiting) this.pump();
  }

  /** Drops what is held back: the device has failed. */
  clear(): void {
    this.jobs = [];
  }

  private pump(): void {
    for (let job = this.jobs[0]; job !== undefined; job = this.jobs[0]) {
      const waits = job.waits();
      if (waits.length > 0) {
        this.waiting = true;
        void Promise.all(waits).then(() => {
          this.waiting = false;
          this.pump();
        });
        return;
      }
      this.jobs.shift();
      job.run();
    }
  }
}
