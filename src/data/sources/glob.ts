// File name patterns: * within a folder, ** across folders, ? for one character, [abc] for one of.
import type { Host } from "../../host/host.ts";

/** Deep enough for any data set; folders that link to themselves end here. */
const MAX_DEPTH = 32;

export function isGlob(path: string): boolean {
  return /[*?[]/.test(path);
}

export function globPattern(glob: string): RegExp {
  const source = glob.replace(
    /\*\*\/|\*\*|\*|\?|\[!?[^\]/]+\]|[.+^${}()|[\]\\]/g,
    (part) => {
      if (part === "**/") return "(?:.*/)?";
      if (part === "**") return ".*";
      if (part === "*") return "[^/]*";
      if (part === "?") return "[^/]";
      if (part.length > 2 && part.startsWith("[")) {
        const negated = part[1] === "!";
        return `[${negated ? "^" : ""}${
          part.slice(negated ? 2 : 1, -1).replace(/[\\^]/g, "\\$&")
        }]`;
      }
      return `\\${part}`;
    },
  );
  return new RegExp(`^${source}$`);
}

/** The files that a pattern names, sorted; hidden ones only if the pattern asks for a dot. */
export async function expandGlob(host: Host, glob: string): Promise<string[]> {
  const clean = glob.replace(/^(\.\/)+/, "");
  const fixed = clean.slice(0, clean.search(/[*?[]/));
  const folder = fixed.slice(0, fixed.lastIndexOf("/") + 1);
  const pattern = globPattern(clean);
  const found: string[] = [];
  for (const path of await walk(host, folder.replace(/(.)\/$/, "$1") || ".")) {
    if (pattern.test(folder + path)) found.push(folder + path);
  }
  return found;
}

/** Paths of the files below a folder, relative to it, sorted; without hidden ones. */
export async function walk(host: Host, folder: string, depth = 0): Promise<string[]> {
  const paths: string[] = [];
  if (depth > MAX_DEPTH || await host.kind(folder) !== "folder") return paths;
  for (const name of await host.list(folder)) {
    if (name.startsWith(".") || name.startsWith("__")) continue;
    const kind = await host.kind(`${folder}/${name}`);
    if (kind === "file") paths.push(name);
    else if (kind === "folder") {
      const below = await walk(host, `${folder}/${name}`, depth + 1);
      for (const path of below) paths.push(`${name}/${path}`);
    }
  }
  return paths;
}
