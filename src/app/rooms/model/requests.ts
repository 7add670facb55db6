import type { NeededFile } from "../../../model/source.ts";
import type { ModelFacts } from "../../../model/inspect.ts";
import type { DroppedFile } from "../../parts/drop.tsx";

/** What is known of a model that a configuration names. */
export type ModelState =
  | { state: "ready"; facts: ModelFacts }
  /** A name of the hub whose files are not here, or not all. */
  | { state: "absent" }
  | { state: "broken"; problems: string[] };

/** Bytes of one file that have arrived. */
export interface FileProgress {
  file: string;
  done: number;
  total: number | undefined;
}

/** Something that takes room in the browser's storage. */
export interface Kept {
  /** "site": comes with the page; "own": dropped here; "hub"; "data": downloads of data. */
  kind: "site" | "own" | "hub" | "data";
  /** The folder, for deleting. */
  path: string;
  /** As base_model names it. */
  name: string;
  bytes: number;
  /** An interrupted download or copy left it. */
  unfinished: boolean;
}

export interface ModelRequests {
  /** Looks at a model without touching the network. */
  "model.describe": { ask: { name: string; revision?: string }; answer: ModelState };
  /** Checks dropped files and keeps them in models/; answers what is wrong when they are refused. */
  "model.import": {
    ask: { files: DroppedFile[] };
    answer: { name: string; facts: ModelFacts } | { problems: string[] };
    report: FileProgress;
  };
  /** Downloads a model of the hub; aborting keeps what arrived. */
  "model.download": {
    ask: { name: string; revision?: string };
    answer: Record<never, never>;
    /** First all files, then each as it grows. */
    report: { files: NeededFile[] } | FileProgress;
  };
  "model.list": { ask: Record<never, never>; answer: Kept[] };
  "model.remove": { ask: { path: string }; answer: Record<never, never> };
}
