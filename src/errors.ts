// Every failure that a person can cause or mend is one of these: what was found, where, what was
// expected, what to do next. The terminal and the page print `message`; `--debug` shows the stack.

/** Where in a text a mistake stands. Lines and columns count from 1. */
export interface Place {
  file?: string;
  line?: number;
  column?: number;
}

/** The kinds of failure; the value is the stable code that `--json` reports. */
export type ErrorCode =
  | "config" // the YAML, an override, or a combination of keys
  | "data" // a data set or one of its rows
  | "model" // a model folder, a tensor, a tokenizer
  | "device" // no adapter, a limit, a lost device
  | "output" // the output folder
  | "command" // wrong use of the command line
  | "train" // the run itself: not a number, diverged
  | "internal"; // a bug in Eft

export class EftError extends Error {
  readonly code: ErrorCode;
  readonly place: Place;

  constructor(code: ErrorCode, message: string, place: Place = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = "EftError";
    this.code = code;
    this.place = place;
  }

  /** One line for a person: `file:line:col: message`. */
  get text(): string {
    const { file, line, column } = this.place;
    if (!file) return this.message;
    const at = [file, line, column].filter((part) => part !== undefined).join(":");
    return `${at}: ${this.message}`;
  }
}

/** Throws an internal error when a condition that the code itself guarantees does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new EftError("internal", message);
}
