// SwiftShader, the CPU adapter that ships with Chromium, as the Vulkan driver of a Deno process: the
// one adapter that all hosts can share on a machine without a GPU.

import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { env, findChromium, root } from "../../scripts/setup.mjs";

/** The driver's description file, as the Vulkan loader wants it. */
export function swiftshaderDriver() {
  const chromium = findChromium();
  const folders = [
    ...(chromium ? [dirname(realpathSync(chromium))] : []),
    "/usr/lib/chromium", // Debian, where the program on the path is a script
    "/usr/lib/chromium-browser",
    "/usr/lib64/chromium-browser", // Fedora
    "/opt/google/chrome",
  ];
  const files = folders.map((folder) => join(folder, "vk_swiftshader_icd.json"));
  const found = files.find((file) => existsSync(file));
  if (found) return found;
  throw new Error(
    "SwiftShader was not found beside Chromium (vk_swiftshader_icd.json), and without it the hosts " +
      "cannot be compared. Install Chromium: apt-get install -y chromium",
  );
}

/** Runs Deno on SwiftShader; resolves to its standard output, or throws what it wrote. */
export function denoOnSwiftshader(args) {
  const driver = swiftshaderDriver();
  return deno(args, { VK_ICD_FILENAMES: driver, VK_DRIVER_FILES: driver });
}

/** The same on the adapter that the machine has. */
export function deno(args, variables = {}) {
  const child = spawn(process.execPath, [join(root, "node_modules/deno/bin.cjs"), ...args], {
    cwd: root,
    env: { ...env, ...variables, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let complaints = "";
  child.stdout.setEncoding("utf8").on("data", (text) => output += text);
  child.stderr.setEncoding("utf8").on("data", (text) => complaints += text);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`deno ${args.join(" ")} ended with code ${code}:\n${complaints}`));
    });
  });
}
