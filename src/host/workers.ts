// Workers of any host behind one face. The source is a string, so that one file carries everything.
import { nodeProcess } from "./probe.ts";

export interface HostWorker {
  post(message: unknown): void;
  terminate(): void;
}

export interface WorkerEvents {
  message(data: unknown): void;
  /** The worker is gone: by an error or an exit. */
  exit(reason: string): void;
}

/** Workers of worker_threads, which Deno and Bun have too: they let the program end, and tell of every death. */
const threads = (): boolean => nodeProcess()?.versions?.node !== undefined;

/** There `self` is made of the port; elsewhere it is there. */
const NODE_SELF = `
import { parentPort } from "node:worker_threads";
const self = { postMessage: (m) => parentPort.postMessage(m) };
parentPort.on("message", (data) => self.onmessage({ data }));
`;

/** True where a worker that ended raises an event, whatever ended it; web workers have none for that. */
export const tellsOfDeath = threads;

export async function spawn(source: string, name: string, events: WorkerEvents): Promise<HostWorker> {
  if (threads()) {
    const { Worker } = await import("node:worker_threads");
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(NODE_SELF + source)}`), { name });
    worker.on("message", (data) => events.message(data));
    worker.on("error", (error) => events.exit(String((error as Error)?.message ?? error)));
    worker.on("exit", (code) => events.exit(`it exited with code ${code}`));
    worker.unref();
    return { post: (m) => worker.postMessage(m), terminate: () => void worker.terminate() };
  }
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module", name });
  worker.onmessage = (event) => events.message(event.data);
  worker.onerror = (event) => events.exit(event.message);
  return {
    post: (m) => worker.postMessage(m),
    terminate: () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}
