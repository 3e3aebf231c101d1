// The room of automatic mixed precision: the entry `wasmgrad/amp`. https://pytorch.org/docs/stable/amp.html
export { type AutocastOptions, autocast } from "./autocast.ts";
export { GradScaler, type GradScalerOptions, type GradScalerState, type Stepping } from "./scaler.ts";
