// The start room's pure parts: advice for browsers without WebGPU, and what an example is about.

import { equal, match } from "node:assert/strict";
import { aboutExample } from "../../src/app/about_example.ts";
import { browserHelp } from "../../src/app/rooms/start/browser_help.ts";

const mozilla = "Mozilla/5.0";
const agents = {
  chrome: `${mozilla} (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ` +
    "Chrome/150.0.0.0 Safari/537.36",
  oldEdge: `${mozilla} (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ` +
    "Chrome/109.0.0.0 Safari/537.36 Edg/109.0.1518.78",
  linux: `${mozilla} (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ` +
    "Chrome/150.0.0.0 Safari/537.36",
  android: `${mozilla} (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) ` +
    "Chrome/150.0.0.0 Mobile Safari/537.36",
  firefox: `${mozilla} (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0`,
  firefoxMac: `${mozilla} (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0`,
  firefoxLinux: `${mozilla} (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0`,
  safari: `${mozilla} (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like ` +
    "Gecko) Version/18.3 Safari/605.1.15",
  iphone: `${mozilla} (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, ` +
    "like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
  iphoneChrome: `${mozilla} (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 ` +
    "(KHTML, like Gecko) CriOS/150.0.0.0 Mobile/15E148 Safari/604.1",
  unknown: "Lynx/2.9",
};

const first: Record<keyof typeof agents, RegExp> = {
  chrome: /hardware|graphics acceleration/,
  oldEdge: /version 109; WebGPU comes with 113/,
  linux: /graphics acceleration/,
  android: /Android 12/,
  firefox: /Firefox 128; on Windows WebGPU comes with 141/,
  firefoxMac: /Firefox 140; on Macs .* 147/,
  firefoxLinux: /does not offer WebGPU on this system/,
  safari: /Safari 18; WebGPU comes with Safari 26/,
  iphone: /Safari 18; WebGPU comes with Safari 26/,
  iphoneChrome: /every browser is Safari inside/,
  unknown: /current Chrome or Edge/,
};

for (const [name, agent] of Object.entries(agents)) {
  Deno.test(`without WebGPU in ${name}: what to do there`, () => {
    const surroundings = { agent, host: "localhost", secure: true, noAdapter: false };
    match(browserHelp(surroundings)[0], first[name as keyof typeof agents]);
  });
}

Deno.test("an address that is not safe is the first thing to say", () => {
  const help = browserHelp({
    agent: agents.chrome,
    host: "192.168.1.5:8080",
    secure: false,
    noAdapter: false,
  });
  equal(help.length, 1);
  match(help[0], /http:.*192\.168\.1\.5:8080.*https:.*localhost/);
});

Deno.test("on Linux, Chrome's flags are named", () => {
  const lines = browserHelp({ agent: agents.linux, host: "", secure: true, noAdapter: true });
  match(lines.join("\n"), /chrome:\/\/flags[^]*chrome:\/\/gpu/);
});

Deno.test("an example is described by the first sentence of its comment", () => {
  const comment =
    "# Teaches a thing, with LoRA:\n#   deno run x\n# More about it.\nbase_model: m\n";
  equal(aboutExample(comment), "Teaches a thing, with LoRA.");
  equal(aboutExample("# Quantized first. Then trained.\nbase_model: m\n"), "Quantized first.");
  equal(aboutExample("base_model: m\n"), "");
});
