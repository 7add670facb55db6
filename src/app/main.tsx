// The page's first code: the theme, the remembered configuration, and the frame around the rooms.

import { render } from "preact";
import { engine } from "./engine.ts";
import { Shell } from "./shell.tsx";
import { restoreState } from "./state.ts";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";

await restoreState();
render(<Shell />, document.getElementById("app")!);

// For the console and for the page's tests: the same requests that the page makes.
Object.assign(globalThis, { eft: engine() });
