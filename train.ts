// deno run -P train.ts CONFIG [--key value ...]: trains, as `deno task eft train CONFIG` does.

import { main } from "./src/cli/main.ts";

Deno.exit(await main(["train", ...Deno.args]));
