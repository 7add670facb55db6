// Makes a fresh checkout ready: the npm packages of the lock file, and a WebGPU adapter. Where it
// may, it installs what is missing; elsewhere it says exactly what to install.

import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** The environment of child processes. */
export const env = { ...process.env };
// Without this folder, drivers on Linux print an error that has no consequence for computing.
if (process.platform === "linux" && !env.XDG_RUNTIME_DIR) env.XDG_RUNTIME_DIR = tmpdir();

/** What a person has to do before Eft can run here. */
export class SetupError extends Error {}

/**
 * Installs packages and checks for an adapter; throws a SetupError that says what to do. With
 * `browser`, a missing Chromium is installed where that is possible, and reported, not thrown.
 */
export async function setup({ browser = false } = {}) {
  if (Number(process.versions.node.split(".")[0]) < 20) {
    throw new SetupError(`Eft needs Node 20 or newer; this is ${process.version}`);
  }
  await installPackages();
  let adapter = await probe();
  const system = linuxPackages();
  const wanted = [];
  if (!adapter && system) wanted.push(...system.drivers);
  if (browser && !findChromium() && system?.chromium) wanted.push(system.chromium);
  if (wanted.length > 0 && system.canInstall) {
    await installSystemPackages(wanted);
    adapter ??= await probe();
  }
  if (!adapter) throw new SetupError(`no WebGPU adapter was found. ${driverAdvice(system)}`);
  console.log(`setup: WebGPU adapter ${adapter.name}`);
  if (browser && !findChromium()) {
    console.error(
      `setup: no Chromium was found, the page cannot be tested. ${chromiumAdvice(system)}`,
    );
  }
}

/** Runs a command with its output shown; resolves to its exit code. */
export function run(command, args, options = {}) {
  return start(command, args, { stdio: "inherit", ...options }).then(({ code }) => code);
}

/** Runs the Deno of node_modules; its package finds the binary also without install scripts. */
export function deno(args, options = {}) {
  return run(process.execPath, [join(root, "node_modules/deno/bin.cjs"), ...args], options);
}

/** The path of a Chromium or Chrome, or undefined. */
export function findChromium() {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const folders = (env.PATH ?? "").split(delimiter);
  const applications = ["Google Chrome", "Chromium"];
  const programs = [env.PROGRAMFILES, env["PROGRAMFILES(X86)"], env.LOCALAPPDATA].filter(Boolean);
  const candidates = [
    ...names.flatMap((name) => folders.map((folder) => join(folder, name))),
    ...applications.map((name) => `/Applications/${name}.app/Contents/MacOS/${name}`),
    ...programs.map((folder) => join(folder, "Google/Chrome/Application/chrome.exe")),
  ];
  return env.CHROME_PATH || candidates.find(isProgram);
}

// ---- npm packages -----------------------------------------------------------------------------

async function installPackages() {
  const stale = whyStale();
  if (!stale) return;
  console.log(`setup: ${stale}; running npm ci`);
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const code = await run(npm, ["ci", "--no-audit", "--no-fund"], {
    shell: process.platform === "win32", // .cmd files run only in a shell
  });
  if (code !== 0) throw new SetupError(`npm ci failed with exit code ${code}; its output is above`);
}

/** Says how node_modules differs from the lock file, or undefined when it does not. */
function whyStale() {
  const installed = readPackages("node_modules/.package-lock.json");
  if (!installed) return "node_modules is missing";
  const wanted = readPackages("package-lock.json");
  for (const [path, { version, optional }] of Object.entries(wanted ?? {})) {
    // Optional packages are those of other platforms too.
    if (path === "" || (optional && !installed[path])) continue;
    const found = installed[path]?.version;
    if (found !== version) return `${path} is ${found ?? "missing"}, ${version} is wanted`;
  }
}

function readPackages(path) {
  const file = join(root, path);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : undefined;
}

// ---- the adapter ------------------------------------------------------------------------------

async function probe() {
  const script = join(root, "scripts/probe.ts");
  const args = [join(root, "node_modules/deno/bin.cjs"), "run", "-q", "-P", script];
  const { code, output } = await start(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (code !== 0) {
    throw new SetupError(
      `Deno could not look for a WebGPU adapter (exit code ${code}); ` +
        "its output is above",
    );
  }
  return JSON.parse(output.trim().split("\n").at(-1)).adapter;
}

// ---- packages of the system -------------------------------------------------------------------

/** How this Linux names what Eft needs; undefined on another platform. */
function linuxPackages() {
  if (process.platform !== "linux" || !existsSync("/etc/os-release")) return undefined;
  const release = readFileSync("/etc/os-release", "utf8");
  const value = (key) => release.match(new RegExp(`^${key}="?([^"\n]*)`, "m"))?.[1] ?? "";
  const family = [value("ID"), ...value("ID_LIKE").split(" ")];
  const is = (...names) => names.some((name) => family.includes(name));
  if (is("debian", "ubuntu")) {
    return {
      install: "apt-get install -y --no-install-recommends",
      drivers: ["mesa-vulkan-drivers", "libvulkan1"],
      // Ubuntu's package of this name only installs a snap, which does not run in a container.
      chromium: is("ubuntu") ? undefined : "chromium",
      canInstall: process.getuid() === 0,
    };
  }
  const drivers = (install, ...names) => ({ install, drivers: names, canInstall: false });
  if (is("fedora", "rhel")) {
    return {
      ...drivers("dnf install", "mesa-vulkan-drivers", "vulkan-loader"),
      chromium: "chromium",
    };
  }
  if (is("arch")) {
    return { ...drivers("pacman -S", "vulkan-swrast", "vulkan-icd-loader"), chromium: "chromium" };
  }
  if (is("suse", "opensuse")) {
    return { ...drivers("zypper install", "libvulkan_lvp", "libvulkan1"), chromium: "chromium" };
  }
  return undefined;
}

async function installSystemPackages(names) {
  console.log(`setup: installing ${names.join(", ")}`);
  const options = { env: { ...env, DEBIAN_FRONTEND: "noninteractive" } };
  const install = ["install", "-y", "--no-install-recommends", ...names];
  for (const args of [["update"], install]) {
    const code = await run("apt-get", args, options);
    // What this breaks is found by the checks that follow, which say what to do.
    if (code !== 0) return console.error(`setup: apt-get ${args[0]} failed with exit code ${code}`);
  }
}

function driverAdvice(system) {
  if (system) {
    return "Install a Vulkan driver; the software driver is enough to try Eft: " +
      `${asRoot()}${system.install} ${system.drivers.join(" ")}`;
  }
  if (process.platform === "darwin") return "Eft needs a Mac with Metal: macOS 11 or newer.";
  if (process.platform === "win32") return "Update the driver of the GPU (Direct3D 12 or Vulkan).";
  return "Install the Vulkan loader and a Vulkan driver, such as that of Mesa.";
}

function chromiumAdvice(system) {
  const install = system?.chromium && `${asRoot()}${system.install} ${system.chromium}`;
  return `${install || "Install Google Chrome"}, or set CHROME_PATH to a Chromium or Chrome.`;
}

function asRoot() {
  return process.getuid() === 0 ? "" : "sudo ";
}

// ---- processes --------------------------------------------------------------------------------

function start(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, ...options });
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => output += text);
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code: code ?? (signal ? 1 : 0), output }));
  });
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Ends the process with the message alone, and `lastLine`, when a person has to act. */
export function exitOnSetupError(error, lastLine) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  if (lastLine) console.log(lastLine);
  process.exit(1);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await setup({ browser: process.argv.includes("--browser") }).catch((error) =>
    exitOnSetupError(error)
  );
}
