// Builds the page. The site holds the files of examples/ and public/ that a configuration may name,
// and `files.json`, the list of them with their sizes, which src/host/browser.ts reads.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));

/** Makes `import source from "./x.wgsl" with { type: "text" }` mean what it means in Deno. */
function shaderText(): Plugin {
  return {
    name: "shader-text",
    enforce: "pre",
    load(id) {
      const file = id.split("?")[0];
      if (!file.endsWith(".wgsl")) return;
      this.addWatchFile(file);
      const code = `export default ${JSON.stringify(readFileSync(file, "utf8"))};`;
      return { code, moduleType: "js" };
    },
  };
}

/** Offers examples/ under the same path as in the repository, and the list of all offered files. */
function offeredFiles(): Plugin {
  const paths = () =>
    [...walk("examples"), ...walk("public")].filter((path) => !/\.ts$/.test(path));
  const list = () =>
    JSON.stringify(Object.fromEntries(paths().map((path) => [path, statSync(root + path).size])));
  return {
    name: "offered-files",
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = decodeURIComponent(request.url!.slice(1).split("?")[0]);
        const isExample = path.startsWith("examples/") && paths().includes(path);
        if (path !== "files.json" && !isExample) return next();
        response.setHeader("Cache-Control", "no-cache");
        response.end(isExample ? readFileSync(root + path) : list());
      });
    },
    generateBundle() {
      for (const path of paths().filter((each) => each.startsWith("examples/"))) {
        this.emitFile({ type: "asset", fileName: path, source: readFileSync(root + path) });
      }
      this.emitFile({ type: "asset", fileName: "files.json", source: list() });
    },
  };
}

function walk(folder: string): string[] {
  const entries = readdirSync(root + folder, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? walk(path) : [path];
  }).sort();
}

const jsx = { runtime: "automatic", importSource: "preact" } as const;

export default defineConfig({
  root: `${root}src/app`,
  publicDir: `${root}public`,
  base: "./",
  appType: "mpa", // a file that is missing is a 404, not the page
  build: { outDir: `${root}dist`, emptyOutDir: true, target: "esnext" },
  oxc: { jsx },
  // In development the packages are found before the first room is opened, those of the worker too.
  optimizeDeps: {
    entries: ["index.html", "worker.ts"],
    rolldownOptions: { transform: { jsx } },
  },
  // The worker is built apart, so it needs its own plugin.
  plugins: [shaderText(), offeredFiles()],
  worker: { format: "es", plugins: () => [shaderText()] },
});
