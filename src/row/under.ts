// What launched rows have in common besides their inputs, as one number: `Device.under`. A serial above 0 is a storage that all depend on.

/** For `Device.under`: what is written in place is lost with its inputs. @internal */
export const TIED = -1;

/** For `Device.under`: rows are a step of an optimizer by ops, with the gradient of this serial. @internal */
export const stepBy = (serial: number): number => TIED - serial;

/** The serial that rows launched under this depend on besides their inputs; 0 for none. @internal */
export const dependsOn = (under: number): number => (under < TIED ? TIED - under : Math.max(under, 0));

/** Whether rows launched under this are a step by ops. @internal */
export const isStep = (under: number): boolean => under < TIED;
