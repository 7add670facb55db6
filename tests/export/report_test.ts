// The report of a real run: a page that holds all of it, and nothing that would be loaded or run.

import assert from "node:assert/strict";
import { curveFile, curveSvg } from "../../src/export/curve.ts";
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
    /<title>&#60;script&#62;alert\(&#34;1&#34;\)&#60;\/script&#62; &#38; more<\/title>/,
  );
  for (const title of ["Result", "Curves", "Samples", "Data", "Adapter", "Kernels"]) {
    assert.ok(html.includes(`<h2>${title}</h2>`), title);
  }
  const loss = source.state!.log_history.findLast((entry) => entry.loss !== undefined)!.loss!;
  assert.ok(html.includes(`<td>${loss.toFixed(4)}</td>`));
  assert.match(html, /<th scope="row">Rank<\/th><td>4<\/td>/);
  assert.match(html, /aria-label="Loss, Step 0 to 4, at the end training [\d.]+, evaluation/);
  assert.equal(html.match(/<svg /g)!.length, 4);
  assert.ok(html.includes("texts.jsonl (completion)"));
  assert.ok(html.includes(source.samples[0].generated.replaceAll("&", "&#38;").slice(0, 2)));

  // A result without its log, as from elsewhere.
  const bare = runReport({ name: "bare", configText: source.configText, events: [], samples: [] });
  assert.ok(!bare.includes("<h2>Curves</h2>") && bare.includes("<h2>Configuration</h2>"));
  Deno.removeSync(folder, { recursive: true });
});

/** A drawing of one line, and its points in units of the drawing. */
function draw(points: [number, number][], log = false) {
  const lines = [{ name: "a<b", look: "main" as const, points }];
  const svg = curveFile({ title: "Loss & more", across: "Step", lines, log });
  const [, places] = /<polyline .* points="([^"]*)"/.exec(svg) ?? [, ""];
  return { svg, places: places.split(" ").map((place) => place.split(",").map(Number)) };
}

Deno.test("a curve has every point in its place", () => {
  const linear = draw([[0, 1], [5, 3], [10, 2]]);
  assert.deepEqual(linear.places, [[70, 276], [427, 44], [784, 160]]);
  assert.match(
    linear.svg,
    /^<svg xmlns="http:.*aria-label="Loss &#38; more, Step 0 to 10, .* a&#60;b 2"/,
  );
  // Powers of ten are equally far apart, and zero is left out.
  const powers = draw([[0, 100], [5, 1], [10, 10]], true);
  assert.deepEqual(powers.places, [[70, 44], [427, 276], [784, 160]]);
  assert.deepEqual(draw([[0, 100], [5, 0], [10, 1]], true).places, [[70, 44], [784, 276]]);
});

Deno.test("a curve lies in its frame, also when it is flat or not a number", () => {
  assert.equal(curveSvg({ title: "none", across: "Step", lines: [] }), "");
  assert.equal(draw([[1, NaN]]).svg.trim(), "");
  const flat: [number, number][] = [[1, 5], [2, 5]];
  for (const points of [[[3, 2]], flat, [[0, 1e-9], [10, 3], [20, NaN], [30, -4]]]) {
    const { svg, places } = draw(points as [number, number][]);
    assert.doesNotMatch(svg.replace(/aria-label="[^"]*"/, ""), /NaN|Infinity/);
    for (const [x, y] of places) {
      assert.ok(x >= 70 && x <= 784 && y >= 44 && y <= 276, `${x} ${y}`);
    }
  }
});
