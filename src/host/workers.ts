// Workers of any host behind one face, and the ways to start one. The source is a string, so that one file carries everything.
import { hasBuiltins } from "./node.ts";
import { side } from "./part.ts";

export interface HostWorker {
  post(message: unknown): void;
  terminate(): void;
}

export interface WorkerEvents {
  message(data: unknown): void;
  /** The worker is gone, or never came: by an error or an exit. */
  exit(reason: string): void;
}

/** One way to start a worker. Throws where the host refuses at once; often it refuses later, by an event. */
export interface Way {
  /** For messages: what is started. */
  readonly from: string;
  start(name: string, events: WorkerEvents): HostWorker;
}

/** True where a worker that ended raises an event, whatever ended it; web workers have none for that. */
export const tellsOfDeath = hasBuiltins;

/**
 * The ways to start a worker here, in the order in which they should be tried: from the source, or from a file with it, which alone
 * counts where the user has `given` its address.
 */
export async function waysToStart(source: string, address: URL | null, given: boolean): Promise<Way[]> {
  if (hasBuiltins()) {
    return [{ from: "a thread of Node's", start: await (await side()).starter(source) }];
  }
  const fromFile: Way = {
    from: address?.protocol === "data:" ? "a data: URL" : String(address ?? "a file beside the script"),
    start(_name, events) {
      if (address === null) throw new Error("nothing tells where it is");
      return watched(new Worker(trusted(String(address)), { type: "module" }), events, () => {});
    },
  };
  if (given) return [fromFile];
  const fromString: Way = {
    from: "a blob: URL",
    start(name, events) {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const forget = (): void => URL.revokeObjectURL(url);
      try {
        return watched(new Worker(trusted(url), { name }), events, forget);
      } catch (error) {
        forget();
        throw error;
      }
    },
  };
  return typeof URL.createObjectURL === "function" ? [fromString, fromFile] : [fromFile];
}

function watched(worker: Worker, events: WorkerEvents, forget: () => void): HostWorker {
  worker.onmessage = (event) => events.message(event.data);
  worker.onerror = (event) => {
    event.preventDefault?.(); // it is told of in our words
    events.exit(event.message ?? "it was not started: a policy of the page, or the file is not there");
  };
  return {
    post: (m) => worker.postMessage(m),
    terminate: () => {
      worker.terminate();
      forget();
    },
  };
}

interface Policy {
  createScriptURL(url: string): string;
}
interface PolicyFactory {
  createPolicy(name: string, rules: Policy): Policy;
}

let policy: Policy | null | undefined;

/** An address that pages with Trusted Types accept, by the policy `wasmgrad`; where they do not allow it, the address itself. */
function trusted(url: string): string {
  if (policy === undefined) {
    const { trustedTypes } = globalThis as { trustedTypes?: PolicyFactory };
    try {
      policy = trustedTypes?.createPolicy("wasmgrad", { createScriptURL: (u) => u }) ?? null;
    } catch {
      policy = null; // not among the names that the page's `trusted-types` lists
    }
  }
  return policy === null ? url : policy.createScriptURL(url);
}
