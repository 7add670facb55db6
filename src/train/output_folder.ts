// The folder a run leaves behind. It is claimed before anything is computed and filled in a folder
// beside it, which takes its place only when everything in it is written.

import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";

/** Every folder that Eft fills has this file; a folder without it is not ours to replace. */
const marker = "eft_config.yml";

export class OutputFolder {
  readonly path: string;
  readonly #host: Host;
  readonly #partial: string;
  #begun = false;

  private constructor(host: Host, path: string) {
    this.#host = host;
    this.path = path.replace(/\/+$/, "");
    this.#partial = `${this.path}.partial`;
  }

  /** Checks that the folder may be written. Throws an EftError("output") when it holds other files. */
  static async claim(host: Host, path: string): Promise<OutputFolder> {
    const kind = await host.kind(path);
    if (kind === "file") {
      throw new EftError("output", `output_dir: ${path} is a file. Name a folder.`);
    }
    if (kind === "folder") {
      // `merge-lora` may have put its result into a folder that no run has filled yet.
      const names = (await host.list(path)).filter((name) => name !== "merged");
      if (names.length > 0 && !names.includes(marker)) {
        throw new EftError(
          "output",
          `output_dir: ${path} exists and was not made by Eft (it has no ${marker}). ` +
            "Choose another output_dir, or remove the folder.",
        );
      }
    }
    return new OutputFolder(host, path);
  }

  /** Starts filling; `config` is the configuration with all overrides in it. */
  async begin(config: string): Promise<void> {
    this.#begun = true;
    await this.#host.remove(this.#partial);
    await this.write(marker, config);
  }

  write(name: string, content: string | AsyncIterable<Uint8Array>): Promise<void> {
    return this.#host.write(`${this.#partial}/${name}`, content);
  }

  /** Where files go while the folder is being filled. */
  get folder(): string {
    return this.#partial;
  }

  /**
   * Writes the last file and puts the folder in its place. An earlier result is kept beside it, one
   * generation; returns where.
   */
  async finish(name: string, content: string): Promise<string | undefined> {
    await this.write(name, content);
    const previous = `${this.path}.previous`;
    const exists = await this.#host.kind(this.path) === "folder";
    if (exists) {
      await this.#host.remove(previous);
      await this.#host.rename(this.path, previous);
    }
    await this.#host.rename(this.#partial, this.path);
    return exists ? previous : undefined;
  }

  /** Removes what was filled so far, by this run only; an earlier result stays as it was. */
  async abandon(): Promise<void> {
    if (this.#begun) await this.#host.remove(this.#partial);
  }
}
