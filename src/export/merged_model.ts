// The files of base model and adapter as one model, each made when it is asked for, so that they can
// be written to a folder in the terminal and straight to a person's disk from the page.

import { adapterRows, openAdapter } from "../adapter/load.ts";
import type { Config } from "../config/config.ts";
import { configuredTokenizer } from "../data/tokenizer.ts";
import { EftError } from "../errors.ts";
import { safetensorsFile } from "../files/safetensors.ts";
import { leastLimits } from "../graph/limits.ts";
import type { Host } from "../host/host.ts";
import { loadModel } from "../train/session.ts";
import { mergedTensors } from "./merge.ts";
import { describe } from "./model.ts";

/** A file that is to be written somewhere. */
export interface FileToWrite {
  name: string;
  bytes: number;
  content(): AsyncIterable<Uint8Array>;
}

export interface MergedModel {
  files: FileToWrite[];
  /** Whether the base was quantized, so that merging rounds. */
  quantized: boolean;
  close(): void;
}

/** Throws an EftError for a base that cannot hold the adapter, or an adapter that does not fit it. */
export async function openMergedModel(
  host: Host,
  config: Config,
  adapterFolder: string,
): Promise<MergedModel> {
  const settings = { ...config, adapter: undefined, reinit_weights: false };
  const { model, folder, files, storedDtype } = await loadModel(
    host,
    settings,
    leastLimits,
    1,
    "infer",
    { rows: () => adapterRows(host, adapterFolder) },
  );
  try {
    const quantized = [...model.tensors.values()].find((tensor) => tensor.quantized)?.quantized;
    if (quantized?.format.kind === "grouped") {
      const kind = quantized.source === "awq" ? "AWQ" : "GPTQ";
      throw new EftError(
        "config",
        `A ${kind} base cannot be merged: its codes cannot hold the adapter; use the adapter ` +
          "beside the model, or train on an unquantized one.",
      );
    }
    const adapter = await openAdapter(host, adapterFolder, model, files);
    const weights = safetensorsFile(mergedTensors(model, files!, adapter, storedDtype));
    const merged: FileToWrite[] = [{ name: "model.safetensors", ...weights }];
    const tokenizer = await configuredTokenizer(host, config);
    const names = ["config.json", "generation_config.json"].map((name) => `${folder}/${name}`);
    for (const path of [...names, ...tokenizer.files]) {
      if (await host.kind(path) !== "file") continue;
      const name = path.slice(path.lastIndexOf("/") + 1);
      const text = await host.readText(path);
      merged.push(textFile(name, tokenizer.rewritten.get(name) ?? describe(name, text, model)));
    }
    const close = () => {
      files!.close();
      adapter.files.close();
    };
    return { files: merged, quantized: quantized !== undefined, close };
  } catch (error) {
    files!.close();
    throw error;
  }
}

export function textFile(name: string, text: string): FileToWrite {
  const bytes = new TextEncoder().encode(text);
  return {
    name,
    bytes: bytes.length,
    async *content() {
      yield bytes;
    },
  };
}
