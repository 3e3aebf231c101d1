// Files of the host, loaded when a tensor is first read from one or written to one.
export { readFile, writeFile } from "../host/files.ts";
