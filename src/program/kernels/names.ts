// Names of kernels in the table, where one pattern stands for several.

/** `{a,b}_f32` is a_f32 and b_f32. */
export function names(pattern: string): string[] {
  const found = /^([^{]*)\{([^}]*)\}(.*)$/.exec(pattern);
  if (found === null) return [pattern];
  const [, before, choices, after] = found as unknown as [string, string, string, string];
  return choices.split(",").flatMap((choice) => names(before + choice + after));
}
