// Rows of Parquet files: a row group at a time, by ranges of the file, through hyparquet. What a
// footer promises is checked here before it is believed. One thing hyparquet does not check: a run
// length inside of a damaged page may name billions of values, and filling them takes minutes.
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { EftError } from "../../errors.ts";
import type { RandomAccessFile } from "../../host/host.ts";
import { dataError, type SourceFile, type SourceRow } from "./row.ts";

/** More than any sane footer or row group; larger ones come from damage. */
const MAX_METADATA_BYTES = 1 << 28;
const MAX_GROUP_BYTES = 2 ** 32;
const MAX_PAGE_BYTES = 2 ** 29;
const ROWS_AT_ONCE = 1024;

/** `line` of a row is its number in the file, from 1. */
export async function* readParquet(source: SourceFile): AsyncGenerator<SourceRow[], void> {
  const opened = await source.open();
  const file = source.name;
  try {
    const buffer = toBuffer(opened);
    const metadata = await readMetadata(opened, buffer, file);
    let number = 0;
    for (const group of metadata.row_groups) {
      const count = Number(group.num_rows);
      const rows = await attempt(
        file,
        number + 1,
        () =>
          parquetReadObjects({
            file: buffer,
            metadata,
            compressors: boundedCompressors,
            rowStart: number,
            rowEnd: number + count,
          }),
      );
      const last = rows.at(-1) ?? {};
      const short = Object.keys(last).find((name) => last[name] === undefined);
      if (rows.length !== count || short !== undefined) {
        throw damaged(file, `a row group does not have its ${count} rows`, number + 1);
      }
      for (let at = 0; at < count; at += ROWS_AT_ONCE) {
        const some = rows.slice(at, at + ROWS_AT_ONCE);
        yield some.map((value, i): SourceRow => ({
          value: plain(value) as Record<string, unknown>,
          file,
          line: number + at + i + 1,
        }));
      }
      number += count;
    }
    if (number === 0) throw dataError("the file has no rows.", { file });
  } finally {
    opened.close();
  }
}

async function readMetadata(
  opened: RandomAccessFile,
  buffer: AsyncBuffer,
  file: string,
): Promise<FileMetaData> {
  const { size } = opened;
  const magic = new TextDecoder("latin1");
  const end = size >= 12 ? await opened.read(size - 8, 8) : new Uint8Array(8);
  const tail = magic.decode(end.subarray(4));
  if (tail === "PARE") throw dataError("the file is encrypted, which Eft cannot read.", { file });
  if (size < 12 || tail !== "PAR1") {
    const begins = size >= 4 && magic.decode(await opened.read(0, 4)) === "PAR1";
    throw dataError(
      begins
        ? "the Parquet file is cut off: its end is missing. Get it again."
        : "this is not a Parquet file. Set `ds_type` to what it is.",
      { file },
    );
  }
  const length = new DataView(end.buffer).getUint32(0, true);
  if (length > size - 12 || length > MAX_METADATA_BYTES) {
    throw damaged(file, `its footer would have ${length} bytes`);
  }
  return await attempt(file, undefined, async () => {
    const metadata = await parquetMetadataAsync(buffer);
    checkColumns(metadata, file);
    checkExtents(metadata, size, file);
    return metadata;
  });
}

/**
 * Every row group must have the columns of the schema; hyparquet would leave the promise of one that
 * belongs nowhere without anyone to catch its failure.
 */
function checkColumns(metadata: FileMetaData, file: string): void {
  const leaves: string[] = [];
  const visit = ({ children, path }: SchemaTree) => {
    if (children.length === 0) leaves.push(path.join("\0"));
    for (const child of children) visit(child);
  };
  visit(parquetSchema(metadata));
  for (const { columns } of metadata.row_groups) {
    const found = columns.map((each) => each.meta_data?.path_in_schema.join("\0"));
    if (found.length !== leaves.length || found.some((path, i) => path !== leaves[i])) {
      throw damaged(file, "the columns of a row group are not those of the schema");
    }
  }
}

/** What the footer promises must fit into the file before anything is reserved for it. */
function checkExtents(metadata: FileMetaData, size: number, file: string): void {
  const inside = (value: bigint | undefined, limit: number) =>
    value === undefined || (value >= 0n && value <= BigInt(limit));
  let rows = 0n;
  for (const group of metadata.row_groups) {
    rows += group.num_rows;
    let unpacked = 0n;
    for (const { meta_data: column, file_path } of group.columns) {
      if (file_path) throw dataError(`the rows lie in another file, ${file_path}.`, { file });
      if (!column) throw damaged(file, "a column has no description");
      const { data_page_offset: first, dictionary_page_offset: dictionary } = column;
      const begin = dictionary && dictionary > 0n && dictionary < first ? dictionary : first;
      if (
        !inside(begin, size) || !inside(column.total_compressed_size, size) ||
        !inside(begin + column.total_compressed_size, size)
      ) throw damaged(file, "its footer points outside of the file");
      unpacked += column.total_uncompressed_size;
      // Even run-length coding spends something; flat columns have a value for each row.
      if (!inside(column.num_values, MAX_GROUP_BYTES)) {
        throw damaged(file, `a column has ${column.num_values} values`);
      }
    }
    if (!inside(unpacked, MAX_GROUP_BYTES)) {
      throw dataError(
        `a row group has ${unpacked} bytes unpacked, too many to hold at once. Write the file ` +
          "with smaller row groups, for example row_group_size=10000.",
        { file },
      );
    }
    const values = group.columns[0]?.meta_data?.num_values ?? 0n;
    if (!inside(group.num_rows, Number(values))) {
      throw damaged(file, `a row group has ${group.num_rows} rows but ${values} values`);
    }
  }
  if (rows !== metadata.num_rows) {
    throw damaged(file, `its row groups have ${rows} rows, its footer says ${metadata.num_rows}`);
  }
}

async function attempt<T>(file: string, row: number | undefined, read: () => Promise<T>) {
  try {
    return await read();
  } catch (error) {
    if (error instanceof EftError) throw error;
    throw damaged(file, (error as Error).message, row, error);
  }
}

function damaged(file: string, reason: string, line?: number, cause?: unknown): EftError {
  const place = line === undefined ? { file } : { file, line };
  return dataError(
    `the Parquet file is damaged or of a kind that Eft cannot read (${reason}). Get it again, or ` +
      "write it anew with a current pyarrow.",
    place,
    cause,
  );
}

function toBuffer(file: RandomAccessFile): AsyncBuffer {
  return {
    byteLength: file.size,
    async slice(start, end = file.size) {
      const from = start < 0 ? file.size + start : start;
      return (await file.read(from, Math.max(0, Math.min(end, file.size) - from))).buffer;
    },
  };
}

/** A damaged page may claim to unpack to anything. */
const boundedCompressors: typeof compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, unpack]) => [codec, (input, length) => {
    if (length > MAX_PAGE_BYTES) throw new Error(`a page of ${length} bytes`);
    return unpack(input, length);
  }]),
);

/** Values as JSON has them: whole numbers as numbers, dates as text, lists as arrays. */
function plain(value: unknown): unknown {
  switch (typeof value) {
    case "bigint":
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case "undefined":
      return null;
    case "object": {
      if (value === null) return null;
      if (value instanceof Date) return Number.isNaN(+value) ? null : value.toISOString();
      if (Array.isArray(value)) return value.map(plain);
      if (ArrayBuffer.isView(value)) {
        return Array.from(value as unknown as ArrayLike<unknown>, plain);
      }
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
    }
    default:
      return value;
  }
}
