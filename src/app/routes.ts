// The rooms of the page and which of them is shown: the part of the address after "#/". A room's code
// is loaded when it is first shown.

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { text } from "./text.ts";

export interface Room {
  name: string;
  title: string;
  load: () => Promise<{ default: ComponentType }>;
}

export const rooms: Room[] = [
  { name: "start", title: text.rooms.start, load: () => import("./rooms/start/view.tsx") },
  { name: "model", title: text.rooms.model, load: () => import("./rooms/model/view.tsx") },
  { name: "data", title: text.rooms.data, load: () => import("./rooms/data/view.tsx") },
  { name: "config", title: text.rooms.config, load: () => import("./rooms/config/view.tsx") },
  { name: "train", title: text.rooms.train, load: () => import("./rooms/train/view.tsx") },
  { name: "chat", title: text.rooms.chat, load: () => import("./rooms/chat/view.tsx") },
  { name: "runs", title: text.rooms.runs, load: () => import("./rooms/runs/view.tsx") },
];

export interface Route {
  room: Room;
  /** What follows the room's name: "#/runs/2026-11-23" has "2026-11-23". */
  rest: string;
}

export const route = signal<Route>(read());

addEventListener("hashchange", () => route.value = read());

/** The address of a room. */
export function link(room: string, rest = ""): string {
  return `#/${room}${rest === "" ? "" : `/${encodeURIComponent(rest)}`}`;
}

export function go(room: string, rest = ""): void {
  location.hash = link(room, rest);
}

function read(): Route {
  const [name, ...rest] = location.hash.replace(/^#\//, "").split("/");
  const room = rooms.find((each) => each.name === name) ?? rooms[0];
  return { room, rest: decodeURIComponent(rest.join("/")) };
}
