// Buffers that the host can read: kept by size and used again.
import { sizeClass } from "./memory.ts";

const MOST_KEPT = 16;

export class Staging {
  private readonly gpu: GPUDevice;
  private free: GPUBuffer[] = [];

  constructor(gpu: GPUDevice) {
    this.gpu = gpu;
  }

  take(bytes: number): GPUBuffer {
    const size = sizeClass(bytes);
    const at = this.free.findIndex((b) => b.size === size);
    if (at >= 0) return this.free.splice(at, 1)[0]!;
    return this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, label: "read" });
  }

  /** The first bytes, when what was submitted has run; a copy that shares nothing. */
  async read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    await buffer.mapAsync(GPUMapMode.READ, 0, buffer.size);
    const data = buffer.getMappedRange(0, buffer.size).slice(0, bytes);
    buffer.unmap();
    this.free.push(buffer);
    if (this.free.length > MOST_KEPT) this.free.shift()!.destroy();
    return data;
  }
}
