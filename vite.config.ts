// Builds the page: static files for any host, also below a sub-path. The site holds the files of examples/ and public/ that a configuration may name,
// and `files.json`, the list of them with their sizes, which src/host/browser.ts reads.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
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

/**
 * What the page may load and where it may connect to. The engine's worker is bound by it only where
 * the server sends it as a header too, since a worker does not inherit it from a <meta>.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'", // wasm: decompressors of parquet files
  "worker-src 'self'",
  // Any https address: the person may name a data set, a model or a mirror of the hub anywhere.
  // Nothing else is ever asked for; tests/page/offline.test.mjs holds the page to that.
  "connect-src 'self' https:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Puts the policy into the built page; Vite's own page for development needs what it forbids. */
function contentSecurity(): Plugin {
  return {
    name: "content-security",
    apply: "build",
    transformIndexHtml: () => [{
      tag: "meta",
      attrs: { "http-equiv": "Content-Security-Policy", content: policy },
      injectTo: "head-prepend",
    }],
  };
}

/** Tells the service worker which files the site has, when all of them are written. */
function offlineFiles(): Plugin {
  const script = "service_worker.js";
  return {
    name: "offline-files",
    apply: "build",
    closeBundle() {
      const files = walk("dist").map((path) => path.slice("dist/".length))
        .filter((path) => path !== script);
      const hash = (content: string | Buffer) =>
        createHash("sha256").update(content).digest("hex").slice(0, 16);
      const list = JSON.stringify(
        Object.fromEntries(files.map((path) => [path, hash(readFileSync(`${root}dist/${path}`))])),
      );
      const code = readFileSync(`${root}dist/${script}`, "utf8");
      writeFileSync(
        `${root}dist/${script}`,
        `const SITE_FILES = ${list};\nconst SITE_VERSION = "${hash(list + code)}";\n${code}`,
      );
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
  build: {
    outDir: `${root}dist`,
    emptyOutDir: true,
    target: "esnext",
    rollupOptions: {
      input: [`${root}src/app/index.html`, `${root}src/app/service_worker.ts`],
      output: {
        // Its place says which pages it serves, and its name must stay.
        entryFileNames: ({ name }) =>
          name === "service_worker" ? "[name].js" : "assets/[name]-[hash].js",
      },
    },
  },
  preview: {
    headers: { "Content-Security-Policy": `${policy}; frame-ancestors 'none'` },
  },
  oxc: { jsx },
  // In development the packages are found before the first room is opened, those of the worker too.
  optimizeDeps: {
    entries: ["index.html", "worker.ts"],
    rolldownOptions: { transform: { jsx } },
  },
  // The worker is built apart, so it needs its own plugin.
  plugins: [shaderText(), offeredFiles(), contentSecurity(), offlineFiles()],
  worker: { format: "es", plugins: () => [shaderText()] },
});
