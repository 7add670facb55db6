import { expandWgsl } from "../../src/graph/wgsl.ts";
import { EftError } from "../../src/errors.ts";

function equal(actual: unknown, expected: unknown) {
  if (actual !== expected) throw new Error(`${actual} is not ${expected}`);
}

Deno.test("wgsl: substitutes names and expressions", () => {
  equal(expandWgsl("a $X ${X * 2 + 1}u $T", { X: 3, T: "f32" }), "a 3 7u f32");
  equal(expandWgsl("${7 / 2 * 2} ${-7 / 2} ${7 % 4 - -1}", {}), "6 -3 4");
  equal(expandWgsl("${(1 + 2) * 3} ${2 + 3 * 4 - 5 - 6}", {}), "9 3");
  equal(expandWgsl('${A == "b" && !B} ${1 <= 0 || 3 > 2}', { A: "b", B: false }), "true true");
});

Deno.test("wgsl: repeats and nests", () => {
  const source = ["//: for i in 0..N", "  //: for j in i..N", "x$i$j", "  //: end", "//: end", "z"];
  equal(expandWgsl(source.join("\n"), { N: 2 }), "x00\nx01\nx11\nz");
  equal(expandWgsl(source.join("\n"), { N: 0 }), "z");
});

Deno.test("wgsl: takes the first branch that holds, and reads no other", () => {
  const source = [
    "//: if K == 1",
    "one",
    "//: else if K == 2",
    "//: for i in 0..K",
    "two $i",
    "//: end",
    "//: else",
    "//: if false",
    "$UNKNOWN",
    "//: end",
    "many",
    "//: end",
  ].join("\n");
  equal(expandWgsl(source, { K: 1 }), "one");
  equal(expandWgsl(source, { K: 2 }), "two 0\ntwo 1");
  equal(expandWgsl(source, { K: 3 }), "many");
});

Deno.test("wgsl: mistakes name their line", () => {
  const mistakes: [string, string][] = [
    ["a\n$MISSING", "template line 2: unknown name `MISSING`"],
    ["//: for i in 0..2\nx", "template line 1: this `for` has no `end`"],
    ["//: if 1\nx\n//: else", "template line 1: this `if` has no `end`"],
    ["x\n//: end", "template line 2: nothing is open here"],
    ["//: while 1", "template line 1: unknown directive"],
    ["${1 +}", "template line 1: incomplete expression"],
    ["${1 2}", "template line 1: unexpected `2`"],
    ["${(1}", "template line 1: missing `)`"],
    ["${1 / 0}", "template line 1: division by zero"],
    ["${1 + T}", "template line 1: `+` needs numbers"],
    ["${1 ? 2}", "template line 1: cannot read `? 2`"],
  ];
  for (const [source, expected] of mistakes) {
    try {
      expandWgsl(source, { T: "text" });
    } catch (error) {
      if (!(error instanceof EftError)) throw error;
      equal(error.code, "internal");
      equal(error.message.startsWith(expected), true);
      continue;
    }
    throw new Error(`no error for ${source}`);
  }
});
