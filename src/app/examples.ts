// The configurations that come with the site, which the rooms Start and Config offer to begin from.

import { signal } from "@preact/signals";
import { aboutExample } from "./about_example.ts";
import { siteBase } from "./engine.ts";

export interface Example {
  /** "examples/tiny/lora.yml" */
  name: string;
  text: string;
  /** What its first comment says it does. */
  about: string;
}

export const examples = signal<Example[]>([]);

let loading: Promise<Example[]> | undefined;

/** Reads them once; the files are small and lie on the site. */
export function loadExamples(): Promise<Example[]> {
  loading ??= read();
  loading.then((found) => examples.value = found, () => loading = undefined);
  return loading;
}

async function read(): Promise<Example[]> {
  const sizes: Record<string, number> = await (await get("files.json")).json();
  const names = Object.keys(sizes).filter((path) => /^examples\/.*\.ya?ml$/.test(path));
  const all = await Promise.all(names.map(async (name) => {
    const text = await (await get(name)).text();
    return { name, text, about: aboutExample(text) };
  }));
  // Some start from what a command of the terminal made; a page has no such folder.
  return all.filter(({ text }) => !/^base_model:\s*\.?\/?outputs\//m.test(text));
}

async function get(path: string): Promise<Response> {
  const response = await fetch(new URL(path, siteBase));
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response;
}
