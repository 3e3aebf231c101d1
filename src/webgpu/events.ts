// What a GPU says of itself, to a device that it does not keep alive; and its end, when nobody holds that device any more.

interface Told {
  report(error: GPUError): void;
  fail(reason: string): void;
}

/** Behind what they still run. */
const unheld = new FinalizationRegistry<GPUDevice>((gpu) => {
  const end = (): void => gpu.destroy();
  gpu.queue.onSubmittedWorkDone().then(end, end);
});

/** Tells `told`. A GPU of our `own` is destroyed when that is gone. In a scope of its own: no function here may hold `told`. */
export function listen(gpu: GPUDevice, own: boolean, told: Told): void {
  const device = new WeakRef(told);
  if (own) unheld.register(told, gpu);
  gpu.onuncapturederror = (event) => device.deref()?.report(event.error);
  void gpu.lost.then(({ reason, message }) =>
    device.deref()?.fail(`the GPU device was lost (${reason === "destroyed" ? "destroyed" : message || reason})`),
  );
}
