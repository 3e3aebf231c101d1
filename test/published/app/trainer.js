// A module Worker that trains; the engine's own workers are nested in it.
import { train } from "./train.js";

train().then(postMessage, (error) => postMessage({ error: `${error?.message ?? error}`, stack: error?.stack }));
