// Edits of the configuration's text change what they say and nothing else.

import assert from "node:assert/strict";
import { parse } from "yaml";
import { type Change, difference, editKeys, readYaml } from "../../src/app/config_text.ts";

const text = `# how it began
base_model: a/b   # the base


datasets:
- path: x.jsonl   # rows
  type: alpaca

learning_rate: 3e-4   # as in the paper
lora_target_modules: [q_proj, v_proj] # two
wandb_project:   # none
note: |
  two
  lines
# the end
`;

function edited(...changes: Change[]): string {
  return editKeys(text, changes)!;
}

Deno.test("a scalar is replaced where it stands", () => {
  assert.equal(edited([["learning_rate"], 0.001]), text.replace("3e-4", "0.001"));
  assert.equal(edited([["base_model"], "c: d"]), text.replace("a/b", '"c: d"'));
  assert.equal(
    edited([["datasets", 0, "type"], "completion"]),
    text.replace("type: alpaca", "type: completion"),
  );
  assert.equal(
    edited([["wandb_project"], "p"]),
    text.replace("wandb_project:   # none", "wandb_project: p   # none"),
  );
});

Deno.test("a new key goes to the end, a removed one takes its line with it", () => {
  assert.equal(edited([["seed"], 1]), `${text}seed: 1\n`);
  assert.equal(edited([["learning_rate"], undefined]), text.replace(/learning_rate.*\n/, ""));
  assert.equal(
    edited([["datasets"], undefined]),
    text.replace(/datasets:\n- path.*\n {2}type.*\n/, ""),
  );
  assert.equal(edited([["nothing"], undefined]), text);
  assert.equal(editKeys("# only this", [[["seed"], 1]]), "# only this\nseed: 1\n");
  assert.equal(editKeys("", [[["seed"], 1]]), "seed: 1\n");
});

Deno.test("lists and blocks are replaced as a whole, their neighbours stay", () => {
  const list = edited([["lora_target_modules"], ["k_proj"]]);
  assert.equal(
    list,
    text.replace("lora_target_modules: [q_proj, v_proj]", "lora_target_modules:\n  - k_proj"),
  );
  const sets = edited([["datasets"], [{ path: "y", type: "z" }]]);
  assert.match(sets, /# the base\n\n\ndatasets:\n {2}- path: y\n {4}type: z\n\nlearning_rate/);
  assert.match(edited([["note"], "one"]), /note: one\n# the end/);
});

Deno.test("every layout gives the value that was set", () => {
  const layouts = [
    text,
    "{a: 1, seed: 2}",
    "  a: 1\n  seed: 2\n",
    "---\nseed: 2\n...\n",
    "seed: !!int 2",
  ];
  for (const layout of layouts) {
    for (
      const [key, value] of [["seed", 7], ["adapter", "lora"], ["seed", [1, { b: "x" }]]] as const
    ) {
      const after = editKeys(layout, [[[key], value]])!;
      assert.deepEqual(parse(after), { ...parse(layout), [key]: value }, after);
    }
  }
  const nested = editKeys("a:\n  b: 1\n", [[["a", "c"], 2]])!;
  assert.deepEqual(parse(nested), { a: { b: 1, c: 2 } });
});

Deno.test("what is not a mapping is left alone", () => {
  for (const bad of ["- a\n", "just words", "a: [1\n", "a: *missing\n"]) {
    assert.equal(editKeys(bad, [[["seed"], 1]]), undefined, bad);
    assert.equal(readYaml(bad), undefined);
  }
});

Deno.test("a difference turns one text into the other", () => {
  for (
    const [a, b] of [["", "x"], ["aa", "a"], ["a", "aa"], ["abc", "axc"], ["abab", "ab"], [
      "a",
      "a",
    ]]
  ) {
    const { from, to, insert } = difference(a, b);
    assert.equal(a.slice(0, from) + insert + a.slice(to), b);
    assert.ok(from <= to);
  }
});
