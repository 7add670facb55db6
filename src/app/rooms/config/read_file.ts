// The text of a file that a person dropped as a configuration, or one sentence why it is none.

import { isMap, isSeq, parseDocument } from "yaml";
import { text } from "../../text.ts";

/** Bytes; the engine reads 200,000 characters (config/document.ts). */
const MAX_BYTES = 400_000;

/** Throws an Error with the sentence. A file with a mistake in a line is taken: the editor shows it. */
export async function readConfigFile(name: string, file: Blob): Promise<string> {
  const refuse = (why: string) => new Error(`${name} ${why}`);
  if (file.size > MAX_BYTES) throw refuse(text.config.bad.huge);
  const bytes = await file.bytes();
  if (bytes.length === 0) throw refuse(text.config.bad.empty);
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refuse(text.config.bad.binary);
  }
  if (content.includes("\0")) throw refuse(text.config.bad.binary);
  if (isJson(content)) throw refuse(text.config.bad.json);
  const { contents, errors } = parseDocument(content, { logLevel: "silent" });
  if (isSeq(contents)) throw refuse(text.config.bad.list);
  const hasKeys = isMap(contents) &&
    contents.items.some(({ key }) => /^[a-z_]\w*$/i.test(String(key)));
  // Prose has colons too, and then hardly ever reads without an error.
  const isProse = errors.length > 0 && !/^\s*(base_model|datasets|adapter)\s*:/m.test(content);
  if (!hasKeys || isProse) throw refuse(text.config.bad.other);
  return content;
}

function isJson(content: string): boolean {
  if (!/^\s*[{[]/.test(content)) return false;
  try {
    JSON.parse(content);
    return true;
  } catch {
    return false;
  }
}
