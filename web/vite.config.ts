import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const SERVER = "http://127.0.0.1:8000";
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }; // 11 takes ten times as long

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    outDir: "../src/connect_hub/static",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0, // the content security policy knows no data: URLs
    modulePreload: { polyfill: false },
    license: { fileName: "LICENSES.md" }, // of all that is bundled
    chunkSizeWarningLimit: 5000, // kB: GraphiQL's editor
    rolldownOptions: {
      input: ["index.html", "graphiql.html"],
      checks: { moduleLevelDirective: false }, // "use no memo" of GraphiQL's is for a compiler
    },
  },
  optimizeDeps: { entries: "index.html" }, // GraphiQL is looked at on the server
  server: { host: "127.0.0.1", proxy: { "/graphql": { target: SERVER, ws: true } } },
});

/** Puts a `.br` and a `.gz` beside each asset, for the server to send. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir = "" }) {
      const assets = join(dir, "assets");
      for (const name of readdirSync(assets)) {
        const file = join(assets, name);
        const content = readFileSync(file);
        writeFileSync(`${file}.br`, brotliCompressSync(content, BROTLI));
        writeFileSync(`${file}.gz`, gzipSync(content));
      }
    },
  };
}
