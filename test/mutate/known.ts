// Mutations that change nothing that anyone could see, each with the reason. They are found by file, operator and text, not by line.
import type { Site } from "./sites.ts";

export interface Known extends Pick<Site, "file" | "operator" | "before" | "after"> {
  readonly reason: string;
}

export const KNOWN: readonly Known[] = [];
