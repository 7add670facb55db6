// The one worker of this page. It starts when the first room asks for it.

import { Client } from "./client.ts";

/** The URL below which the site's files lie, also under a sub-path. */
export const siteBase = new URL(".", location.href).href;

let client: Client | undefined;

export function engine(): Client {
  return client ??= new Client(siteBase);
}
