// A page that lets a module Worker train. Where Trusted Types are required the Worker takes a policy of the page's own;
// the engine, which runs in the Worker, does not see it.
globalThis.trustedTypes?.createPolicy("default", { createScriptURL: (address) => address });

const tell = (outcome) => console.log(`outcome ${JSON.stringify(outcome)}`);
const worker = new Worker(new URL("./trainer.js", import.meta.url), { type: "module" });
worker.onmessage = (event) => tell(event.data);
worker.onerror = (event) => tell({ error: `the app's Worker: ${event.message}` });
