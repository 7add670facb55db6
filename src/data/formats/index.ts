// The data set formats by name: a new format is a file in this folder and an entry in this list.
import { alpacaFormats } from "./alpaca.ts";
import { completion } from "./completion.ts";
import type { Format } from "./format.ts";

const FORMATS = new Map([...alpacaFormats, completion].map((format) => [format.name, format]));

export const formatNames: string[] = [...FORMATS.keys()];

export function findFormat(name: string): Format | undefined {
  return FORMATS.get(name);
}
