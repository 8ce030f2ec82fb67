// Bundles the page and writes it as C++: node build.mjs DIRECTORY makes DIRECTORY/embedded_assets.cpp.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const source = join(dirname(fileURLToPath(import.meta.url)), "src");
const output = process.argv[2];
if (!output) {
  console.error("usage: node build.mjs DIRECTORY");
  process.exit(2);
}

// Whoever is sent the bundle is sent a copy of uPlot, and with it its licence.
const require = createRequire(import.meta.url);
const licence = readFileSync(join(dirname(require.resolve("uplot/package.json")), "LICENSE"), "utf8");

async function bundle(file, banner = {}) {
  const result = await build({
    entryPoints: [join(source, file)],
    bundle: true,
    minify: true,
    write: false,
    charset: "utf8",
    format: "esm",
    target: ["es2021", "chrome90", "firefox90", "safari15"],
    banner,
  });
  return result.outputFiles[0].contents;
}

const pages = [
  ["/", "text/html; charset=utf-8", readFileSync(join(source, "index.html"))],
  ["/app.js", "text/javascript; charset=utf-8", await bundle("main.ts", { js: `/* uPlot: ${licence}*/` })],
  ["/style.css", "text/css; charset=utf-8", await bundle("style.css")],
  ["/icon.svg", "image/svg+xml", readFileSync(join(source, "icon.svg"))],
];

// Octal escapes have three digits at most, so that what follows never becomes part of one.
function literal(bytes) {
  const lines = [];
  for (let i = 0; i < bytes.length; i += 64) {
    const escapes = Array.from(bytes.subarray(i, i + 64), (byte) => `\\${byte.toString(8).padStart(3, "0")}`);
    lines.push(`    "${escapes.join("")}"`);
  }
  return lines.join("\n");
}

let total = 0;
const bodies = [];
const rows = [];
for (const [path, type, content] of pages) {
  const bytes = gzipSync(content, { level: 9 });
  // The gzip head names the system it was made on; a page must not depend on where it was built.
  bytes[9] = 255;
  const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const name = `kBody${bodies.length}`;
  total += bytes.length;
  bodies.push(`constexpr std::string_view ${name}(\n${literal(bytes)},\n    ${bytes.length});`);
  rows.push(`    {"${path}", "${type}", "\\"${etag}\\"", as_bytes(${name}), true},`);
}

mkdirSync(output, { recursive: true });
writeFileSync(
  join(output, "embedded_assets.cpp"),
  `#include "firmware/dashboard/assets.h"

namespace holdfast::dashboard {
namespace {

${bodies.join("\n")}

const Asset kAssets[] = {
${rows.join("\n")}
};

}  // namespace

std::span<const Asset> assets() { return kAssets; }

}  // namespace holdfast::dashboard
`,
);
console.log(`the page: ${total} bytes, compressed`);
