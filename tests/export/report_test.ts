// The report of a real run: a page that holds all of it, and nothing that would be loaded or run.

import assert from "node:assert/strict";
import { curveSvg } from "../../src/export/curve.ts";
import { readReportSource, runReport } from "../../src/export/report.ts";
import { host, lora, sanitize, tinyFolder, train } from "../train/tiny.ts";

Deno.test("the report of a run", sanitize, async () => {
  const folder = tinyFolder();
  const events = await train(folder, {
    ...lora,
    val_set_size: 2,
    eval_steps: 2,
    generate_samples: true,
    num_generation_samples: 1,
    generation_max_new_tokens: 4,
  });
  const eventsFile = `${folder}/events.jsonl`;
  Deno.writeTextFileSync(eventsFile, events.map((event) => JSON.stringify(event) + "\n").join(""));
  const name = `<script>alert("1")</script> & more`;
  const source = await readReportSource(host, `${folder}/out`, { name, eventsFile });
  assert.equal(source.state?.global_step, 4);
  assert.ok(source.samples.length > 0 && source.kernels && source.adapter);

  const html = runReport(source);
  assert.doesNotMatch(html, /<script|<link|<img|<iframe|@import|url\(|\bsrc=|\bhref=|https?:/i);
  assert.match(
    html,
    /<title>&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt; &amp; more<\/title>/,
  );
  for (const title of ["Result", "Curves", "Samples", "Data", "Adapter", "Kernels"]) {
    assert.ok(html.includes(`<h2>${title}</h2>`), title);
  }
  const loss = source.state!.log_history.findLast((entry) => entry.loss !== undefined)!.loss!;
  assert.ok(html.includes(`<td>${loss.toFixed(4)}</td>`));
  assert.match(html, /<th scope="row">Rank<\/th><td>4<\/td>/);
  assert.match(html, /aria-label="Loss over steps 0 to 4, at the end training [\d.]+, evaluation/);
  assert.equal(html.match(/<svg /g)!.length, 4);
  assert.ok(html.includes("texts.jsonl (completion)"));
  assert.ok(html.includes(source.samples[0].generated.replaceAll("&", "&amp;").slice(0, 2)));

  // A result without its log, as from elsewhere.
  const bare = runReport({ name: "bare", configText: source.configText, events: [], samples: [] });
  assert.ok(!bare.includes("<h2>Curves</h2>") && bare.includes("<h2>Configuration</h2>"));
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a curve lies in its frame, also when it is flat or not a number", () => {
  assert.equal(curveSvg("none", []), "");
  assert.equal(curveSvg("none", [{ name: "a", points: [[1, NaN]] }]), "");
  for (const points of [[[3, 2]], [[1, 5], [2, 5]], [[0, 1e-9], [10, 3], [20, NaN], [30, -4]]]) {
    const svg = curveSvg("loss", [{ name: "a", points: points as [number, number][] }]);
    assert.doesNotMatch(svg.replace(/aria-label="[^"]*"/, ""), /NaN|Infinity/);
    for (const [, x, y] of svg.matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)) {
      assert.ok(+x >= 64 && +x <= 628 && +y >= 12 && +y <= 192, `${x} ${y}`);
    }
  }
});
