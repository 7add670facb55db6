// A host that fails from one of its operations on, as a process that is killed there does.

import { denoHost } from "../src/host/deno.ts";
import type { Host } from "../src/host/host.ts";

export class Killed extends Error {}

/** A host that does `operations` changes and then nothing more; a write that fails leaves its half. */
export function mortalHost(root: string, operations: number): Host & { readonly changes: number } {
  const host = denoHost(root);
  let changes = 0;
  const change =
    <Rest extends unknown[]>(act: (path: string, ...rest: Rest) => Promise<void>) =>
    async (path: string, ...rest: Rest) => {
      if (changes++ < operations) return await act(path, ...rest);
      if (changes === operations + 1 && (act as unknown) === host.write) {
        const half = path.replace(/[^/]+$/, ".$&.partial-0123abcd");
        await host.append(half, [new Uint8Array(3)].values() as never);
      }
      throw new Killed(`killed at change ${operations + 1}`);
    };
  return {
    ...host,
    write: change(host.write),
    append: change(host.append),
    remove: change(host.remove),
    rename: change(host.rename),
    makeFolder: change(host.makeFolder),
    get changes() {
      return changes;
    },
  };
}
