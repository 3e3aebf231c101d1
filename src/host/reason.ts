// What a host says when a fetch fails. Apart from fetch.ts, which pages do not load.

/** Node says "fetch failed" and keeps the reason in a cause. */
export function reason(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  const inner = cause?.message || cause?.code;
  return inner ? `${message} (${inner})` : (message ?? String(error));
}
