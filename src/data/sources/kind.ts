// What kind of file it is: as `ds_type` says, else by its extension, else by how it begins.
import { readCsv } from "./csv.ts";
import { readJson } from "./json.ts";
import { readPlainText } from "./lines.ts";
import { readParquet } from "./parquet.ts";
import { dataError, type SourceFile, type SourceRow } from "./row.ts";
import { bytesOf } from "./text.ts";

/** The values of `ds_type`. */
export type DatasetType = "json" | "csv" | "parquet" | "text" | "arrow";

type Reader = (file: SourceFile) => AsyncGenerator<SourceRow[], void>;

const EXTENSIONS: Record<string, DatasetType> = {
  json: "json",
  jsonl: "json",
  ndjson: "json",
  csv: "csv",
  tsv: "csv",
  parquet: "parquet",
  geoparquet: "parquet",
  txt: "text",
  text: "text",
  arrow: "arrow",
};

/** By the extension; a .gz at the end does not count. */
export function typeOfName(name: string): DatasetType | undefined {
  const extension = /\.([a-z0-9]+)(\.gz)?$/i.exec(name.replace(/[?#].*$/, ""))?.[1];
  return extension ? EXTENSIONS[extension.toLowerCase()] : undefined;
}

export async function readerFor(file: SourceFile, dsType?: DatasetType): Promise<Reader> {
  const isTsv = /\.tsv(\.gz)?$/i.test(file.name);
  switch (dsType ?? typeOfName(file.name) ?? await typeOfContent(file)) {
    case "json":
      return readJson;
    case "csv":
      return isTsv ? (each) => readCsv(each, "\t") : (each) => readCsv(each);
    case "parquet":
      return readParquet;
    case "text":
      return readPlainText;
    case "arrow":
      throw dataError(
        "Eft does not read Arrow files. Save the data set as Parquet, in Python: " +
          'load_from_disk("...").to_parquet("data.parquet").',
        { file: file.name },
      );
  }
}

async function typeOfContent(file: SourceFile): Promise<DatasetType> {
  const opened = await file.open();
  const head = await opened.read(0, Math.min(6, opened.size)).finally(() => opened.close());
  const magic = new TextDecoder("latin1").decode(head);
  if (magic.startsWith("PAR1")) return "parquet";
  if (magic === "ARROW1") return "arrow";
  for await (const bytes of bytesOf(file)) {
    const text = new TextDecoder().decode(bytes).trimStart();
    if (/^[{[]/.test(text)) return "json";
    if (text !== "") break;
  }
  throw dataError(
    "neither its name nor its first bytes tell what kind of file this is. Set `ds_type` to json, " +
      "csv, parquet or text.",
    { file: file.name },
  );
}
