// `npm run demo`: makes the checkout ready, then fine-tunes the small model that comes with Eft and
// shows what it says before and after.

import { deno, exitOnSetupError, setup } from "./setup.mjs";

await setup().catch((error) => exitOnSetupError(error));
process.exitCode = await deno([
  "run",
  "-q",
  "-P",
  "src/cli/main.ts",
  "demo",
  ...process.argv.slice(2),
]);
