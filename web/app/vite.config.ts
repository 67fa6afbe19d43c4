import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** The pages: the app's, and the one with the API's reference. */
const pages = { index: "index.html", reference: "docs/index.html" };

/** The most that a first visit may load, in bytes as they travel (gzip). */
const firstLoad = 200_000;

// budget fails a build whose first load is too large: the page, and what it loads at
// once, which is all but the reference, and the chunks that are imported where they
// are needed.
function budget(): Plugin {
  return {
    name: "budget",
    generateBundle(_, bundle) {
      let size = 0;
      for (const file of Object.values(bundle)) {
        if (file.type === "chunk" && file.isDynamicEntry) continue;
        if (file.fileName.startsWith("assets/reference-") || file.fileName === pages.reference) continue;
        size += gzipSync(file.type === "chunk" ? file.code : file.source).length;
      }
      this.info(`first load: ${(size / 1000).toFixed(1)} of ${firstLoad / 1000} kB`);
      if (size > firstLoad) this.error(`the first load is ${size} bytes, more than ${firstLoad}`);
    },
  };
}

export default defineConfig({
  plugins: [budget()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../dist",
    emptyOutDir: true, // public has the file that keeps it in git
    assetsInlineLimit: 0, // the policy lets files in, and nothing else
    modulePreload: { polyfill: false },
    rolldownOptions: { input: pages },
    chunkSizeWarningLimit: 2000, // kB: the reference's; budget looks after the app's
    target: "es2022",
  },
  // npm run dev, beside bin/fotograma up -p WebOrigin=http://127.0.0.1:5173
  server: { host: "127.0.0.1", proxy: { "/v1": "http://127.0.0.1:8080" } },
});
