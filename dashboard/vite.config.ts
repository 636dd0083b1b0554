import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Puts a compressed copy beside each asset, for the pooler to send as it is. */
function compressed(folder: string): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(folder)) {
        if (name.endsWith(".gz")) continue;
        const path = join(folder, name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}

/** The licences of what is built in, to be passed on with it. */
function licences(path: string, packages: string[]): Plugin {
  return {
    name: "licences",
    apply: "build",
    closeBundle() {
      const texts = packages.map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`);
      writeFileSync(path, texts.join("\n----\n\n"));
    },
  };
}

// Names without hashes: the pooler serves them under names with the hash of their contents, so that
// a change of the page is no renaming of files in the repository.
export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      output: {
        entryFileNames: "assets/app.js",
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith(".css"))
            ? "assets/app.css"
            : "assets/[name].[ext]",
      },
    },
  },
  plugins: [
    compressed("dist/assets"),
    licences("dist/licences.txt", ["preact", "@preact/signals", "@preact/signals-core", "uplot"]),
  ],
  server: { proxy: { "/api": "http://127.0.0.1:6433" } },
});
