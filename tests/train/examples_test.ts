// The examples of full and ReLoRA training as a person runs them. They take two to three minutes
// without a GPU, so they run when EFT_EXAMPLES is set; that they are understood is always checked.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { runExample } from "./examples.ts";
import { sanitize } from "./tiny.ts";

for (const name of ["full", "relora"]) {
  const file = `examples/tiny/${name}.yml`;
  Deno.test(`${file} is a configuration without remarks`, () => {
    assert.deepEqual(parseConfig(Deno.readTextFileSync(file), file).notes, []);
  });

  Deno.test({
    name: `${file} learns, and answers the same from its files`,
    ignore: !Deno.env.get("EFT_EXAMPLES"),
    ...sanitize,
    async fn() {
      const folder = Deno.makeTempDirSync({ prefix: "eft-test-" });
      const { before, after, reloaded, end } = await runExample(file, `${folder}/out`);
      console.log(
        `${file}: ${before.accuracy} before, ${after.accuracy} after, ${end.wall_seconds} s`,
      );
      assert.ok(before.accuracy < 0.2 && after.accuracy >= 0.85);
      assert.deepEqual(reloaded.answers, after.answers);
      assert.ok(end.wall_seconds < 180);
      Deno.removeSync(folder, { recursive: true });
    },
  });
}
