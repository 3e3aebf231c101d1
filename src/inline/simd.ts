// The entry `wasmgrad/inline/simd`: all of `wasmgrad`, with the build simd inside, which every host can run.
import simd from "wasm:simd.wasm";
import { carry } from "../wasm/carry.ts";

carry("simd.wasm", simd);

export * from "../index.ts";
