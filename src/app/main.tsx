// The page's first code: the theme, the remembered configuration, and the frame around the rooms.

import { render } from "preact";
import { engine } from "./engine.ts";
import { restoreHub } from "./hub.ts";
import { keepOffline } from "./offline.ts";
import { Shell } from "./shell.tsx";
import { restoreState } from "./state.ts";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";

await Promise.all([restoreState(), restoreHub()]);
render(<Shell />, document.getElementById("app")!);

// Development serves sources that change all the time; only the built site is kept.
if ((import.meta as { env?: { PROD?: boolean } }).env?.PROD) void keepOffline();

// A file that misses its target would otherwise be opened in place of the page, run and all.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

// For the console and for the page's tests: the same requests that the page makes.
Object.assign(globalThis, { eft: engine() });
