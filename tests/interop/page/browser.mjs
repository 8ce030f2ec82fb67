// Chromium for the tests of the page, and what they all ask of it.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const kPatience = 20_000;
const kFlags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

export async function until(what, check) {
  const deadline = Date.now() + kPatience;
  for (;;) {
    const result = await check();
    if (result) return result;
    assert.ok(Date.now() < deadline, `within ${kPatience / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What the browser complains of, as it comes; a request to another host than `url`'s is such a thing. */
export function complaintsOf(page, url) {
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()}`));
  page.on("request", (request) => {
    if (new URL(request.url()).host !== new URL(url).host) complaints.push(`asks elsewhere: ${request.url()}`);
  });
  return complaints;
}

export async function notWider(page, name) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${name}: the page is ${overflow} pixels too wide`);
}

/** Runs `test` in a browser with a profile of its own. What it throws is the program's failure. */
export async function inChromium({ out, chromium: executablePath }, name, test) {
  mkdirSync(out, { recursive: true });
  const profile = mkdtempSync(join(tmpdir(), "holdfast-page-"));
  let context;
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath,
      args: kFlags,
      viewport: { width: 1360, height: 900 },
      ignoreHTTPSErrors: true,
    });
    await test(context);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
    await context?.pages()[0]?.screenshot({ path: join(out, `${name}-failed.png`) }).catch(() => {});
  } finally {
    await context?.close();
    rmSync(profile, { recursive: true, force: true });
  }
}
