// A configuration as a part of an address: its name and text, compressed (zlib, which has a checksum),
// in base64url.

/** Characters of a shared text; as many as the engine reads (config/document.ts). */
const MAX_LENGTH = 200_000;

/** Some decompressors take a stream that is cut off without a word. */
const END = "\x04";

export interface Shared {
  name: string;
  text: string;
}

export async function pack({ name, text }: Shared): Promise<string> {
  const bytes = new TextEncoder().encode(`${name}\n${text}${END}`);
  const packed = await new Response(through(bytes, new CompressionStream("deflate"))).bytes();
  const letters = Array.from(packed, (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Undefined for a link that is damaged, cut off, or longer than any configuration. */
export async function unpack(packed: string): Promise<Shared | undefined> {
  try {
    const letters = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let whole = "";
    const reader = through(bytes, new DecompressionStream("deflate")).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      whole += decoder.decode(part.value, { stream: true });
      if (whole.length > MAX_LENGTH) return undefined; // small links can unpack to gigabytes
    }
    whole += decoder.decode();
    const end = whole.indexOf("\n");
    if (end < 0 || !whole.endsWith(END)) return undefined;
    return { name: whole.slice(0, end), text: whole.slice(end + 1, -END.length) };
  } catch {
    return undefined;
  }
}

function through(bytes: Uint8Array<ArrayBuffer>, stream: CompressionStream | DecompressionStream) {
  return new Blob([bytes]).stream().pipeThrough(stream);
}
