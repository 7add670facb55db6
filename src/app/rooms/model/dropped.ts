// Which of the dropped files are the model, and what to call it.

import type { DroppedFile } from "../../parts/drop.tsx";

export interface ChosenFiles {
  /** Fit for a folder's name. */
  name: string;
  /** Names inside of the model's folder. */
  files: [name: string, file: File][];
}

/** Files beside the weights that say how a model or a tokenizer is built. */
const small = /\.(json|jinja|txt|model)$|^tokenizer|^merges|^vocab/;

/**
 * The folder with config.json nearest to the top, or what lies at the top. Beside safetensors only
 * small files are taken along; where there are none, everything is, so that it can be named.
 */
export function chosenFiles(dropped: DroppedFile[]): ChosenFiles {
  const depth = (path: string) => path.split("/").length;
  const byDepth = [...dropped].sort(([a], [b]) => depth(a) - depth(b) || (a < b ? -1 : 1));
  const anchor = byDepth.find(([path]) => nameOf(path) === "config.json") ?? byDepth[0];
  const folder = anchor ? folderOf(anchor[0]) : "";
  const beside = byDepth.filter(([path]) => folderOf(path) === folder)
    .map(([path, file]): [string, File] => [nameOf(path), file]);
  const weights = beside.filter(([name]) => name.endsWith(".safetensors"));
  const files = weights.length === 0
    ? beside
    : beside.filter(([name, file]) =>
      name.endsWith(".safetensors") || (small.test(name) && file.size < 2 ** 28)
    );
  // One file of weights may have any name; the engine knows it by this one.
  const [only] = weights;
  const hasIndex = beside.some(([name]) => name === "model.safetensors.index.json");
  if (weights.length === 1 && !hasIndex) {
    files[files.indexOf(only)] = ["model.safetensors", only[1]];
  }
  return { name: folderName(folder), files };
}

/** A snapshot of the hub's cache lies in models--owner--name/snapshots/COMMIT. */
function folderName(folder: string): string {
  const hub = /models--([^/]+)\/snapshots\//.exec(folder)?.[1]?.replace(/^.*--/, "");
  const name = hub ?? nameOf(folder);
  return name.replace(/[^\w.-]+/g, "-").replace(/^[.-]+|[.-]+$/g, "") || "dropped-model";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
