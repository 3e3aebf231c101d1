// Software GPUs for WebGPU in Node and Deno: which Vulkan drivers are there, and the environment that a process needs for one.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";

const ICDS = "/usr/share/vulkan/icd.d";
/** Tests that want float16. */
const FLOAT16 = /^webgpu-(half|amp)/;

/** Whose WebGPU is on top: Dawn in Node, or the host's own in Deno. */
export type Above = "Dawn" | "own";

interface Driver {
  readonly icd: string;
  /** Folders of the driver and of the loader that comes with it. */
  readonly folders: readonly string[];
}
/** Mesa was built with headers of Vulkan, whose number grows throughout: this is 22.3's, the last Mesa that Dawn refuses. */
const REFUSED_BY_DAWN = 230;

/** What a driver says of itself. */
interface Icd {
  readonly library_path: string;
  /** As `1.1.230`. */
  readonly api_version: string;
}

/** SwiftShader of Debian's chromium, which brings the Vulkan loader too. It lacks float16. */
function swiftshader(env: NodeJS.ProcessEnv): Driver | null {
  const folder = env.CHROMIUM_DIR ?? "/usr/lib/chromium";
  const icd = join(folder, "vk_swiftshader_icd.json");
  return existsSync(icd) ? { icd, folders: [folder] } : null;
}

/**
 * Mesa's lavapipe, which has float16: the one that FLOAT16_ICD names, or the system's. Dawn, in Node, takes it from Mesa 23
 * on, Deno's own WebGPU takes older ones too.
 */
export function lavapipe(env: NodeJS.ProcessEnv, above: Above): Driver | null {
  const system = existsSync(ICDS) ? readdirSync(ICDS).find((name) => /^lvp_icd.*\.json$/.test(name)) : undefined;
  const icd = env.FLOAT16_ICD ?? (system === undefined ? undefined : join(ICDS, system));
  if (icd === undefined) return null;
  const { library_path: library, api_version: version } = JSON.parse(readFileSync(icd, "utf8")).ICD as Icd;
  if (above === "Dawn" && !(Number(version.split(".")[2]) > REFUSED_BY_DAWN)) return null;
  return { icd, folders: [...(swiftshader(env)?.folders ?? []), ...(isAbsolute(library) ? [dirname(library)] : [])] };
}

/** `env` with the driver for a test file, unless it names one. The loader's path must be there before the process starts. */
export function withDriver(env: NodeJS.ProcessEnv, file: string, above: Above): NodeJS.ProcessEnv {
  const named = env.VK_ICD_FILENAMES !== undefined || env.VK_DRIVER_FILES !== undefined;
  if (!file.startsWith("webgpu") || named) return env;
  const driver = (FLOAT16.test(file) ? lavapipe(env, above) : null) ?? swiftshader(env);
  if (driver === null) return env;
  const paths = [...driver.folders, ...(env.LD_LIBRARY_PATH ? [env.LD_LIBRARY_PATH] : [])];
  return { ...env, VK_ICD_FILENAMES: driver.icd, LD_LIBRARY_PATH: paths.join(":") };
}
