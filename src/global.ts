// One classic script with everything inside, for `<script src>`: the global `wasmgrad`, with the other entries in it.
export * as amp from "./amp/index.ts";
export * as data from "./data/index.ts";
export * from "./inline/index.ts";
export * as io from "./io/safetensors.ts";
