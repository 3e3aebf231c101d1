// The entry `wasmgrad/inline`: all of `wasmgrad`, with the builds simd and relaxed inside, for pages that load one file.
import relaxed from "wasm:relaxed.wasm";
import simd from "wasm:simd.wasm";
import { carry } from "../wasm/carry.ts";

carry("simd.wasm", simd);
carry("relaxed.wasm", relaxed);

export * from "../index.ts";
