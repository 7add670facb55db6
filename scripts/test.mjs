// `npm test`: types, then the tests in Deno, then those that drive Chromium and compare hosts. The
// last line is `N passed, N failed`. `npm test -- graph host` runs only the files whose path holds
// such a word.

import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { env, exitOnSetupError, root, setup } from "./setup.mjs";

const filters = process.argv.slice(2);
const denoPath = join(root, "node_modules/deno/bin.cjs");
const isChosen = (path) => filters.length === 0 || filters.some((word) => path.includes(word));

const all = filesBelow("tests").filter(isChosen);
const nodeTests = all.filter((path) => path.endsWith(".test.mjs"));
const denoTests = all.filter((path) => /(^|[/._])test\.ts$/.test(path));

await setup({ browser: nodeTests.length > 0 }).catch((error) =>
  exitOnSetupError(error, "0 passed, 1 failed")
);

let passed = 0;
let failed = 0;
const broken = [];

if (filters.length === 0) await check("types", [denoPath, "check", ...typed()]);
if (denoTests.length > 0) {
  await count(
    "Deno tests",
    [denoPath, "test", "-A", "--no-check", ...denoTests],
    {
      passed: /^(?:ok|FAILED) \| (\d+) passed/m,
      failed: /^(?:ok|FAILED) \| .*?(\d+) failed/m,
      allWell: /^ok \| \d+ passed .*\| 0 failed.*\n*$/m,
    },
  );
}
if (nodeTests.length > 0) {
  // The spec reporter depends on a terminal; this one is the same everywhere. The tests share one
  // GPU, so their files run one after the other.
  const options = ["--test", "--test-reporter=tap", "--test-concurrency=1"];
  await count("page and parity tests", [...options, ...nodeTests], {
    passed: /^# pass (\d+)/m,
    failed: /^# fail (\d+)/m,
  });
}
if (all.length === 0 || passed + failed === 0) {
  broken.push(`no test matches ${filters.join(" ")}`);
  failed++;
}

for (const reason of broken) console.log(`test: ${reason}`);
process.exitCode = failed > 0 ? 1 : 0;
console.log(`\n${passed} passed, ${failed} failed`);

/** A command that counts as one test. */
async function check(name, args) {
  const { code } = await stream(name, args);
  if (code === 0) passed++;
  else fail(`${name}: exit code ${code}`);
}

/** A runner that says how many tests passed and failed; silence or a crash is a failure too. */
async function count(name, args, form) {
  const { code, output } = await stream(name, args);
  const number = (pattern) =>
    Number(
      output.match(new RegExp(pattern, "gm"))?.at(-1)
        .match(pattern)[1] ?? NaN,
    );
  const counts = { passed: number(form.passed), failed: number(form.failed) };
  if (!(counts.passed + counts.failed > 0)) {
    return fail(`${name}: no summary, as they crashed or none ran (exit code ${code})`);
  }
  passed += counts.passed;
  failed += counts.failed;
  if (code === 0 || counts.failed > 0) return;
  // Mesa's software driver can corrupt its heap while the process ends, after the last test and the
  // summary that says all went well; everything else that ends badly is a failure.
  if (form.allWell?.test(output)) {
    console.log(`${name}: the process ended with code ${code} after all tests had passed`);
  } else fail(`${name}: exit code ${code} without a failed test`);
}

function fail(reason) {
  broken.push(reason);
  failed++;
}

function stream(name, args) {
  console.log(`\n== ${name}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      process.stdout.write(text);
      output += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Every file with types. */
function typed() {
  const folders = ["src", "tests", "bench", "examples"];
  const files = folders.flatMap(filesBelow).filter((path) => path.endsWith(".ts"));
  const top = readdirSync(root).filter((name) => name.endsWith(".ts"));
  return [...top, "scripts/probe.ts", ...files];
}

function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  }).sort();
}
