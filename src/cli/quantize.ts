// `eft quantize CONFIG|MODEL --output-dir D`: a copy of a model in GPTQ's layout. With a configuration,
// GPTQ calibrates on its training rows; a model alone is rounded to nearest.

import { parseConfig } from "../config/config.ts";
import { EftError } from "../errors.ts";
import { type Device, openDevice } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { makeGptq } from "../quant/make.ts";
import { type Arguments, engineOf, numberFlag } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";

export async function quantize(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { flags } = args;
  const bits = numberFlag(flags, "bits", 4);
  if (bits !== 4 && bits !== 8) {
    throw new EftError("command", `--bits ${bits}: Eft writes 4 and 8 bits.`);
  }
  const group = numberFlag(flags, "group-size", 128, -1);
  const output = args.overrides.find(({ key }) => key === "output_dir")?.value;
  if (output === undefined) {
    throw new EftError("command", "quantize needs a place for the result: --output-dir DIR");
  }
  const [word] = args.words;
  const isModel = word !== undefined && await host.kind(`${word}/config.json`) === "file";
  const method = flags.get("method") ?? (isModel ? "rtn" : "gptq");
  if (method !== "rtn" && method !== "gptq") {
    throw new EftError("command", `--method ${method}: choose gptq or rtn.`);
  }
  if (isModel && method === "gptq") {
    throw new EftError(
      "command",
      "--method gptq calibrates on rows: name a configuration with `datasets` instead of a model.",
    );
  }
  let config;
  if (!isModel) {
    const { file, text } = await readConfig(host, args);
    ({ config } = parseConfig(text, file, args.overrides));
  }
  const folder = config?.base_model ?? word!;
  const device: Device | undefined = method === "gptq"
    ? await openDevice(host, engineOf(flags))
    : undefined;
  try {
    await makeGptq(host, {
      folder,
      grid: { bits, group },
      calibration: device && { config: config!, device },
      output: output.replace(/\/+$/, ""),
      progress(done, total, error) {
        terminal.say(`block ${done} of ${total}: weights are off by ${(100 * error).toFixed(2)} %`);
      },
    });
  } finally {
    device?.destroy();
  }
  terminal.say(`${folder} in ${bits} bits, groups of ${group}, by ${method}: ${output}`);
  terminal.event({ event: "end", output_dir: output });
}
