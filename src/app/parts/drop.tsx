// A place to drop files or folders on, which is also a button that opens the file chooser.

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";

/** A file and where it lay below what was dropped: "model/config.json". */
export type DroppedFile = [path: string, file: File];

export interface DropProps {
  label: string;
  onFiles: (files: DroppedFile[]) => void;
  /** As the attribute of an input: ".yml,.yaml". */
  accept?: string;
  /** Choose a whole folder instead of single files. */
  folder?: boolean;
  children?: ComponentChildren;
}

export function Drop({ label, onFiles, accept, folder, children }: DropProps) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  return (
    <div
      class={`drop${over ? " over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={async (event) => {
        event.preventDefault();
        setOver(false);
        onFiles(await droppedFiles(event.dataTransfer!));
      }}
    >
      <button type="button" onClick={() => input.current!.click()}>{label}</button>
      {children}
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept={accept}
        aria-label={label}
        {...(folder ? { webkitdirectory: true } : {})}
        onChange={({ currentTarget }) => {
          const files = [...currentTarget.files!];
          currentTarget.value = ""; // so that the same file can be chosen again
          onFiles(files.map((file) => [file.webkitRelativePath || file.name, file]));
        }}
      />
    </div>
  );
}

async function droppedFiles(transfer: DataTransfer): Promise<DroppedFile[]> {
  // The entries must be taken before the first await: the list is emptied after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((e) =>
    e !== null
  );
  if (entries.length === 0) return [...transfer.files].map((file) => [file.name, file]);
  return (await Promise.all(entries.map(filesBelow))).flat();
}

async function filesBelow(entry: FileSystemEntry): Promise<DroppedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject)
    );
    return [[entry.fullPath.replace(/^\//, ""), file]];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: DroppedFile[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (entries.length === 0) return found; // a long folder comes in parts
    found.push(...(await Promise.all(entries.map(filesBelow))).flat());
  }
}
