/** A file of a result. */
export interface ResultFile {
  name: string;
  path: string;
  /** Bytes. */
  size: number;
}

export interface ResultSummary {
  kind: "adapter" | "model";
  /** What the files are named after. */
  name: string;
  base: string;
  files: ResultFile[];
  /** eft_config.yml, trainer_state.json and what else tells of the run. */
  records: ResultFile[];
}

/** How far writing is. */
export interface SaveReport {
  name: string;
  /** Bytes of all files. */
  done: number;
  total: number;
}

/** A file that waits for its download. */
export interface Offer {
  name: string;
  content: Blob;
}

/** Which files: the result as it is, or base and adapter as one model. */
export type What = "result" | "merged";

export interface ResultRequests {
  /** Undefined while the run has no result. */
  "result.describe": { ask: { id: string }; answer: ResultSummary | undefined };
  /** Everything in one zip, into the file that a person chose; without one it is offered. */
  "result.zip": {
    ask: { id: string; into?: FileSystemFileHandle | undefined };
    answer: Offer | undefined;
    report: SaveReport;
  };
  /** The files into a new folder `name` of the folder that a person chose; else they are offered. */
  "result.files": {
    ask: {
      id: string;
      what: What;
      name: string;
      into?: FileSystemDirectoryHandle | undefined;
    };
    answer: Offer[];
    report: SaveReport;
  };
  "result.report": { ask: { id: string }; answer: Offer };
  /** One file, as it is. */
  "result.file": { ask: { path: string }; answer: Blob };
}
