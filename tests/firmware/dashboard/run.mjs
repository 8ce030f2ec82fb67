// Bundles the TypeScript tests of this folder and runs them: node run.mjs DIRECTORY (for the bundles).
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const { buildSync } = createRequire(join(here, "../../../firmware/dashboard/package.json"))("esbuild");
const output = process.argv[2];
const tests = readdirSync(here).filter((file) => file.endsWith("_test.ts"));
buildSync({
  entryPoints: tests.map((file) => join(here, file)),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node18",
  outExtension: { ".js": ".mjs" },
  outdir: output,
  logLevel: "warning",
});
const bundles = tests.map((file) => join(output, file.replace(/\.ts$/, ".mjs")));
process.exit(spawnSync(process.execPath, ["--test", ...bundles], { stdio: "inherit" }).status ?? 1);
