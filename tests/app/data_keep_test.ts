import { deepEqual, equal, rejects } from "node:assert/strict";
import { keep, listKept, removeKept } from "../../src/app/rooms/data/keep.ts";
import type { BrowserHost } from "../../src/host/browser.ts";
import { FakeHost } from "../fake_host.ts";

type Files = [path: string, content: File][];

function room(host = new FakeHost(), signal = new AbortController().signal) {
  const reports: unknown[] = [];
  const context = {
    host: host as unknown as BrowserHost,
    report: (event: unknown) => void reports.push(event),
    signal,
  };
  const put = (name: string, files: Files) => keep({ name, files }, context);
  return { host, put, reports, one: (name: string, text: string) => put(name, single(name, text)) };
}

const single = (name: string, text: string): Files => [["", new File([text], name)]];

Deno.test("a file is kept under a name that means nothing else, and never over another", async () => {
  const { host, one, reports } = room();
  deepEqual(await one("a b?#*[x].jsonl", '{"a":1}'), { path: "data/a b-x-.jsonl" });
  deepEqual(await one("../../.x.csv", "a\n1"), { path: "data/x.csv" });
  deepEqual(await one("x.csv", "a\n2"), { path: "data/x-2.csv" });
  deepEqual(reports[0], { path: "data/a b-x-.jsonl", written: 7, total: 7 });
  deepEqual(await listKept(host), [
    { name: "a b-x-.jsonl", size: 7, isFolder: false },
    { name: "x-2.csv", size: 3, isFolder: false },
    { name: "x.csv", size: 3, isFolder: false },
  ]);
  await removeKept(host, "x.csv");
  equal((await listKept(host)).length, 2);
});

Deno.test("a folder is kept whole, with its layout, if rows can be read from it", async () => {
  const { host, put } = room();
  const file = (text: string) => new File([text], "f");
  await put("set", [["data/train.jsonl", file('{"a":1}')], ["README.md", file("# Set")]]);
  deepEqual([...host.files.keys()].sort(), ["data/set/README.md", "data/set/data/train.jsonl"]);
  deepEqual(await listKept(host), [{ name: "set", size: 12, isFolder: true }]);
  await rejects(put("bad", [["a.png", file("x")], ["b.png", file("y")]]), /holds no file that Eft/);
  equal(await host.kind("data/bad"), undefined);
});

Deno.test("what fails or is cancelled leaves nothing", async () => {
  const { host, one } = room();
  await rejects(one("a.jsonl", "{oops"), /expected a name in double quotes/);
  host.write = () => Promise.reject(new DOMException("no", "QuotaExceededError"));
  await rejects(one("b.jsonl", '{"a":1}'), /the browser gives this page no room for 1 MiB more/);
  const canceller = new AbortController();
  canceller.abort();
  const { host: other, one: cancelled } = room(new FakeHost(), canceller.signal);
  await rejects(cancelled("c.jsonl", '{"a":1}'), { name: "AbortError" });
  deepEqual([...host.files.keys(), ...other.files.keys()], []);
});
