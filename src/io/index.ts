// The room of files.
export * from "./safetensors.ts";
