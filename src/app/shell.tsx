// The frame around the rooms: name, navigation, colours, and the room that the address asks for.

import { signal, useSignalEffect } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { keptOffline } from "./offline.ts";
import { Notice } from "./parts/notice.tsx";
import { UpdateBar } from "./parts/update_bar.tsx";
import { cutOff, lookForCutOff, runningNow } from "./rooms/train/running.ts";
import { link, type Room, rooms, route } from "./routes.ts";
import { type Theme, theme } from "./state.ts";
import { text } from "./text.ts";

const themes: Theme[] = ["system", "light", "dark"];
const views = signal(new Map<Room, ComponentType>());
const failed = signal("");

export function Shell() {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useSignalEffect(() => {
    const { room } = route.value;
    document.title = `${room.title} – ${text.shell.name}`;
    show(room);
  });
  const { room } = route.value;
  useEffect(() => {
    // After the first look, a change of room is like a change of page: readers start at its top.
    if (!first.current) main.current?.focus();
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest" });
    first.current = false;
  }, [room]);
  const View = views.value.get(room);
  return (
    <>
      <a
        class="skip"
        href="#content"
        onClick={(event) => (event.preventDefault(), main.current?.focus())}
      >
        {text.shell.skip}
      </a>
      <header class="top">
        <a class="brand" href={link("start")}>
          <img src="./icon.svg" alt="" width="28" height="28" />
          {text.shell.name}
        </a>
        <nav aria-label={text.shell.navigation}>
          {rooms.map((each) => (
            <a
              key={each.name}
              href={link(each.name)}
              aria-current={each === room ? "page" : undefined}
            >
              {each.title}
            </a>
          ))}
        </nav>
        <RunIndicator />
        <ThemeButton />
      </header>
      <main id="content" ref={main} tabIndex={-1}>
        {failed.value
          ? <Notice kind="error">{text.shell.broken} {failed.value}</Notice>
          : View
          ? <View />
          : <p class="quiet" role="status">{text.shell.loading}</p>}
      </main>
      <UpdateBar />
      <footer class="bottom">
        {text.shell.private} {keptOffline.value && <span id="offline">{text.shell.offline}</span>}
      </footer>
    </>
  );
}

/** The run that goes on, wherever in the page the person is; or one that was cut off. */
function RunIndicator() {
  const now = runningNow.value;
  useEffect(() => {
    void lookForCutOff();
    // Again, as the page that was reloaded or another tab may hold its run a little longer.
    const timer = setInterval(lookForCutOff, 3000);
    return () => clearInterval(timer);
  }, []);
  if (!now && cutOff.value) {
    return <a class="indicator" href={link("train", cutOff.value.id)}>{text.train.cutOffShort}</a>;
  }
  if (!now) return null;
  const loss = now.loss?.toFixed(3) ?? text.train.none;
  return (
    <a class="indicator" href={link("train")}>
      <span class="dot" aria-hidden="true" />
      <span class="visually-hidden">{text.train.indicatorStep}</span>
      {text.train.indicator(now.step, now.steps)}
      <span class="visually-hidden">{text.train.indicatorLoss}</span> <strong>{loss}</strong>
    </a>
  );
}

function ThemeButton() {
  const now = theme.value;
  const next = themes[(themes.indexOf(now) + 1) % themes.length];
  return (
    <button type="button" class="plain" onClick={() => theme.value = next}>
      {text.shell.themeButton(text.shell.theme[now])}
    </button>
  );
}

function show(room: Room): void {
  failed.value = "";
  if (views.peek().has(room)) return;
  room.load().then(
    (module) => views.value = new Map(views.peek()).set(room, module.default),
    (error) => failed.value = String(error),
  );
}
