// The folder a run leaves behind: its result, and `checkpoint-N` folders while it goes on and after.
// A result is filled beside the folder and moved into it when everything in it is written; the earlier
// result stays in its place until then, and is kept beside it afterwards, one generation.
//
//   out/                   the newest result
//   out/checkpoint-N/      whole at any time: written as checkpoint-N.partial and renamed
//   out.partial/           a result that is being written
//   out.ready/             a result that is whole and being moved into out
//   out.previous/          the result before the newest
//   out.old-checkpoints/   checkpoints of an earlier run that were in the way

import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";

/** Every folder that Eft fills has this file; a folder without it is not ours to replace. */
export const marker = "eft_config.yml";
/** The last file of a result that is written and moved: a result with it is whole. */
const lastFile = "trainer_state.json";

const checkpointName = /^checkpoint-(\d+)$/;
/** What a killed run has left half written: a checkpoint, or a file that had not got its name. */
const unfinished = /^checkpoint-\d+\.partial|^\..*\.partial-\w+$/;

export interface CheckpointPlace {
  step: number;
  path: string;
}

export class OutputFolder {
  readonly path: string;
  readonly #host: Host;
  readonly #report: (text: string) => void;
  #config = "";
  /** This run goes on from a checkpoint in this folder. */
  #resumed = false;
  #begun = false;
  /** Whether this run has written into the folder itself. */
  #entered = false;
  #made = false;
  /** Where this run has moved checkpoints to, and whether it has set a result aside. */
  #displaced: string | undefined;
  #setsAside = false;
  #release: () => Promise<void> = () => Promise.resolve();

  private constructor(host: Host, path: string, report: (text: string) => void) {
    this.#host = host;
    this.path = path.replace(/\/+$/, "");
    this.#report = report;
  }

  /**
   * Takes the folder for this run alone until `release`, checks that it may be written, and ends what
   * a killed run had begun to move. `report` hears where things went. Throws an EftError("output")
   * when another run has the folder, or when it holds other files.
   */
  static async claim(
    host: Host,
    path: string,
    report: (text: string) => void = () => {},
  ): Promise<OutputFolder> {
    const output = new OutputFolder(host, path, report);
    const release = await host.lock(output.path);
    if (!release) {
      throw new EftError(
        "output",
        `output_dir: another run is writing to ${output.path}. Wait until it ends, or choose another ` +
          "output_dir.",
      );
    }
    output.#release = release;
    try {
      await output.#check();
      await output.#settle();
      return output;
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Lets other runs have the folder. */
  release(): Promise<void> {
    return this.#release();
  }

  /** Throws when the folder holds what is not Eft's. */
  async #check(): Promise<void> {
    const host = this.#host;
    const kind = await host.kind(this.path);
    if (kind === "file") {
      throw new EftError("output", `output_dir: ${this.path} is a file. Name a folder.`);
    }
    if (kind === "folder") {
      // `merge-lora` may have put its result into a folder that no run has filled yet.
      const names = (await host.list(this.path))
        .filter((name) => name !== "merged" && !unfinished.test(name));
      const settling = await host.kind(this.#at("ready")) === "folder" ||
        await host.kind(`${this.#at("partial")}/${lastFile}`) === "file";
      if (names.length > 0 && !names.includes(marker) && !settling) {
        throw new EftError(
          "output",
          `output_dir: ${this.path} exists and was not made by Eft (it has no ${marker}). ` +
            "Choose another output_dir, or remove the folder.",
        );
      }
    }
  }

  /**
   * Starts filling; `config` is the configuration with all overrides in it. `resumedStep` is the
   * step of the checkpoint in this folder that the run goes on from: later ones are moved away.
   */
  async begin(config: string, resumedStep?: number): Promise<void> {
    this.#begun = true;
    this.#config = config;
    this.#resumed = resumedStep !== undefined;
    await this.#host.remove(this.#at("partial"));
    await this.write(marker, config);
    if (resumedStep !== undefined) await this.#enter(resumedStep);
  }

  /** Writes a file of the result. */
  write(name: string, content: string | AsyncIterable<Uint8Array>): Promise<void> {
    return this.#host.write(`${this.folder}/${name}`, content);
  }

  /** Where the files of the result go while it is being filled. */
  get folder(): string {
    return this.#at("partial");
  }

  /** Writes `checkpoint-<step>` by filling a folder beside it; returns its path. */
  async checkpoint(step: number, fill: (folder: string) => Promise<void>): Promise<string> {
    const host = this.#host;
    if (!this.#entered) await this.#enter(-1);
    const path = `${this.path}/checkpoint-${step}`;
    const partial = `${path}.partial`;
    await host.remove(partial);
    await fill(partial);
    if (await host.kind(path) !== undefined) await this.#discard(path);
    await host.rename(partial, path);
    return path;
  }

  /** The checkpoints, by their steps. */
  checkpoints(): Promise<CheckpointPlace[]> {
    return listCheckpoints(this.#host, this.path);
  }

  /** Removes the oldest checkpoints beyond `limit` (0 keeps all), but never the newest or `best`. */
  async trim(limit: number, best: number | undefined): Promise<void> {
    if (limit === 0) return;
    const all = await this.checkpoints();
    const removable = all.slice(0, -1).filter(({ step }) => step !== best);
    for (const { path } of removable.slice(0, Math.max(0, all.length - limit))) {
      await this.#discard(path);
    }
  }

  /** Writes the last file and puts the result in its place. */
  async finish(content: string): Promise<void> {
    await this.write(lastFile, content);
    await this.#settle();
    if (!this.#displaced || !this.#setsAside) return;
    // The displaced checkpoints belong to the result that was set aside.
    for (const { path, step } of await listCheckpoints(this.#host, this.#displaced)) {
      await this.#host.rename(path, `${this.#at("previous")}/checkpoint-${step}`);
    }
    await this.#host.remove(this.#displaced);
  }

  /** Removes what was half written by this run only; results and whole checkpoints stay. */
  async abandon(): Promise<void> {
    if (!this.#begun) return;
    const host = this.#host;
    await host.remove(this.#at("partial"));
    if (!this.#entered) return;
    await this.#sweep();
    const names = await host.list(this.path);
    if (this.#made && names.every((name) => name === marker)) await host.remove(this.path);
  }

  #at(suffix: string): string {
    return `${this.path}.${suffix}`;
  }

  /** Before the first checkpoint: makes the folder, and moves later checkpoints out of the way. */
  async #enter(keep: number): Promise<void> {
    const host = this.#host;
    this.#entered = true;
    if (await host.kind(this.path) === undefined) {
      this.#made = true;
      await host.write(`${this.path}/${marker}`, this.#config);
    }
    if (await host.kind(`${this.path}/${marker}`) === undefined) {
      await host.write(`${this.path}/${marker}`, this.#config); // only `merged` was there
    }
    await this.#sweep();
    const old = (await this.checkpoints()).filter(({ step }) => step > keep);
    if (old.length === 0) return;
    const target = this.#at("old-checkpoints");
    await host.remove(target);
    await host.makeFolder(target);
    // The newest first: what is left, should this be cut short, is still in order.
    for (const { path, step } of old.reverse()) {
      await host.rename(path, `${target}/checkpoint-${step}`);
    }
    this.#displaced = target;
    this.#report(`Checkpoints of an earlier run were moved to ${target}.`);
  }

  /** Removes what killed runs have left half written. */
  async #sweep(): Promise<void> {
    for (const name of await this.#host.list(this.path)) {
      if (unfinished.test(name)) await this.#host.remove(`${this.path}/${name}`);
    }
  }

  /** Removes a checkpoint so that no half of it is ever seen under its name. */
  async #discard(path: string): Promise<void> {
    await this.#host.remove(`${path}.partial.old`);
    await this.#host.rename(path, `${path}.partial.old`);
    await this.#host.remove(`${path}.partial.old`);
  }

  /**
   * Moves a whole result from beside the folder into it. Every call goes on from wherever an earlier
   * one was cut short: nothing is removed before what replaces it is whole.
   */
  async #settle(): Promise<void> {
    const host = this.#host;
    const [partial, ready] = [this.#at("partial"), this.#at("ready")];
    const isFolder = async (path: string) => await host.kind(path) === "folder";
    if (await host.kind(`${partial}/${lastFile}`) === "file" && !(await isFolder(ready))) {
      if (!(await isFolder(this.path))) return await host.rename(partial, this.path);
      await this.#setAside();
      await host.rename(partial, ready);
    }
    if (!(await isFolder(ready))) return;
    await host.makeFolder(this.path);
    for (const name of lastOf(await host.list(ready), lastFile)) {
      await host.rename(`${ready}/${name}`, `${this.path}/${name}`);
    }
    await host.remove(ready);
  }

  /** Moves the earlier result, but no checkpoints, to `.previous`. */
  async #setAside(): Promise<void> {
    const host = this.#host;
    const [previous, leaving] = [this.#at("previous"), this.#at("previous.partial")];
    const names = (await host.list(this.path)).filter((name) => !name.startsWith("checkpoint-"));
    const hasResult = names.some((name) => name !== marker);
    const left = await host.kind(leaving) === "folder";
    if (!hasResult && !left) return;
    // An earlier state of this very run, which it went on from, is replaced for good.
    const own = this.#resumed && await this.#isOwn();
    if (hasResult) {
      await host.makeFolder(leaving);
      for (const name of lastOf(names, lastFile)) {
        await host.rename(`${this.path}/${name}`, `${leaving}/${name}`);
      }
    }
    if (own) return await host.remove(leaving);
    await host.remove(previous);
    await host.rename(leaving, previous);
    this.#setsAside = true;
    this.#report(`The earlier result is kept in ${previous}.`);
  }

  /** Whether the result in place is what Ctrl-C left of this run, or this result once more. */
  async #isOwn(): Promise<boolean> {
    const [old, now] = await Promise.all([
      this.#state(`${this.path}/${lastFile}`),
      this.#state(`${this.folder}/${lastFile}`),
    ]);
    const stopped = old?.stateful_callbacks?.TrainerControl?.args?.should_training_stop === false;
    return stopped || (old !== undefined && old.global_step === now?.global_step);
  }

  // deno-lint-ignore no-explicit-any
  async #state(file: string): Promise<any> {
    if (await this.#host.kind(file) !== "file") return undefined;
    try {
      return JSON.parse(await this.#host.readText(file));
    } catch {
      return undefined;
    }
  }
}

/** The `checkpoint-N` folders of an output folder, by N. */
export async function listCheckpoints(host: Host, path: string): Promise<CheckpointPlace[]> {
  if (await host.kind(path) !== "folder") return [];
  const found: CheckpointPlace[] = [];
  for (const name of await host.list(path)) {
    const [, step] = checkpointName.exec(name) ?? [];
    if (step !== undefined) found.push({ step: Number(step), path: `${path}/${name}` });
  }
  return found.sort((a, b) => a.step - b.step);
}

function lastOf(names: readonly string[], last: string): string[] {
  return [...names.filter((name) => name !== last), ...names.filter((name) => name === last)];
}
