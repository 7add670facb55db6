// One result being carried away: what is written now, what was written, what waits for its download.

import { signal } from "@preact/signals";
import { engine } from "../../engine.ts";
import { messageOf } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import type { Offer, ResultFile, ResultSummary, SaveReport, What } from "./requests.ts";

/** The choosers of files and folders, which not every browser has. */
interface Choosers {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}
const choosers = globalThis as Choosers;

export class Saving {
  readonly id: string;
  readonly failure = signal("");
  readonly done = signal("");
  readonly report = signal<SaveReport | undefined>(undefined);
  /** Files of the merged model where the browser cannot write them into a folder. */
  readonly offers = signal<Offer[]>([]);
  #canceller: AbortController | undefined;

  constructor(id: string) {
    this.id = id;
  }

  get canWriteFolders(): boolean {
    return choosers.showDirectoryPicker !== undefined;
  }

  describe(): Promise<ResultSummary | undefined> {
    return engine().ask("result.describe", { id: this.id }).catch((error) => {
      this.failure.value = messageOf(error);
      return undefined;
    });
  }

  async zip({ name }: ResultSummary): Promise<void> {
    const file = `${name}.zip`;
    await this.#save(file, async (options) => {
      const into = await choosers.showSaveFilePicker?.({ suggestedName: file });
      const offer = await engine().ask("result.zip", { id: this.id, into }, options);
      if (offer) this.download(offer);
    });
  }

  async folder(what: What, name: string): Promise<void> {
    await this.#save(name, async (options) => {
      const into = await choosers.showDirectoryPicker?.({ mode: "readwrite" });
      this.offers.value = await engine().ask(
        "result.files",
        { id: this.id, what, name, into },
        options,
      );
    });
  }

  async saveReport(): Promise<void> {
    await this.#save("", async () => {
      this.download(await engine().ask("result.report", { id: this.id }));
    });
  }

  async file({ name, path }: ResultFile): Promise<void> {
    await this.#save("", async () => {
      this.download({ name, content: await engine().ask("result.file", { path }) });
    });
  }

  /** Hands a file to the browser, which reads it from the disk. */
  download({ name, content }: Offer): void {
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(content);
    anchor.download = name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000); // it may still be read
  }

  cancel(): void {
    this.#canceller?.abort();
  }

  /** Writes something; `name` is what a person is told of while it takes long. */
  async #save(
    name: string,
    write: (
      options: { signal: AbortSignal; onReport: (report: SaveReport) => void },
    ) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#canceller = new AbortController();
    this.failure.value = this.done.value = "";
    if (name !== "") this.report.value = { name, done: 0, total: 0 };
    try {
      await write({ signal, onReport: (report) => this.report.value = report });
      if (name !== "") this.done.value = text.result.saved(name);
    } catch (error) {
      if (signal.aborted) this.done.value = text.result.cancelled;
      // Closing the chooser without a choice is no failure.
      else if (!(error instanceof DOMException && error.name === "AbortError")) {
        this.failure.value = messageOf(error);
      }
    } finally {
      this.report.value = undefined;
    }
  }
}
