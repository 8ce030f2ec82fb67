// Opens the page of a site gateway and sees its uplink there, while its hub runs and after. See README.md.
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { complaintsOf, inChromium, kPatience, notWider, until } from "./browser.mjs";

const { values: options } = parseArgs({
  options: {
    hub: { type: "string" },
    gateway: { type: "string" },
    "hub-process": { type: "string" },
    out: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (!options.hub || !options.gateway || !options["hub-process"] || !options.out) {
  console.error("usage: node uplink_test.mjs --hub URL --gateway URL --hub-process PID --out DIRECTORY [--chromium FILE]");
  process.exit(2);
}

/** A hub has no uplink: once it has said so, it is not asked again, and nothing is shown. */
async function seeNothingOnTheHub(page) {
  let asked = 0;
  page.on("request", (request) => (asked += new URL(request.url()).pathname === "/api/node/words" ? 1 : 0));
  let polls = 0;
  page.on("requestfinished", (request) => (polls += request.url().endsWith("/api/devices") ? 1 : 0));
  await page.goto(options.hub);
  await until("the fleet was asked for three times", () => polls >= 3);
  assert.equal(asked, 1);
  assert.equal(await page.locator("#uplink").isVisible(), false);
}

/** Names and words of what the panel shows. */
async function shownFacts(page) {
  const names = await page.locator("#uplink-facts dt").allTextContents();
  const words = await page.locator("#uplink-facts dd").allTextContents();
  return Object.fromEntries(names.map((name, at) => [name, words[at]]));
}

async function run(context) {
  const page = context.pages()[0] ?? (await context.newPage());
  const hub = await context.newPage();
  const hubComplaints = complaintsOf(hub, options.hub);
  await seeNothingOnTheHub(hub);
  assert.deepEqual(hubComplaints, [], "the browser complains of nothing");
  await hub.close();

  await page.bringToFront();
  const complaints = complaintsOf(page, options.gateway);
  await page.goto(options.gateway);
  const panel = page.getByRole("region", { name: "Uplink" });
  await panel.waitFor({ timeout: kPatience });
  const state = panel.locator(".state");
  await until("the uplink is live", async () => /^connected for .*: every reading is upstream/.test(await state.textContent()));
  assert.equal((await shownFacts(page))["State"], "live");
  await until("the round trip is known", async () => "Round trip" in (await shownFacts(page)));
  await until("the fleet is there as well", () => page.locator("#fleet").isVisible());
  const facts = await shownFacts(page);
  assert.equal(facts["Hub"], `${options.hub.replace(/^http/, "ws")}/v1/uplink`);
  assert.equal(facts["Path"], "direct, WebSocket");
  assert.match(facts["Learned of the path"], /^learning: \d+ probes? so far|^no cut up to /);
  assert.match(facts["Heartbeat"], /^when idle for .+ s; .+ a day$/);
  assert.match(facts["Reconnects"], /^0/);
  assert.ok(!("Last error" in facts), facts["Last error"]);

  await until("what was learned is shown", async () =>
    /^no cut up to \d.* s; \d+ probes$/.test((await shownFacts(page))["Learned of the path"]),
  );
  for (const [name, [width, height]] of Object.entries({ light: [1360, 900], dark: [1360, 900], phone: [390, 844] })) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: name === "dark" ? "dark" : "light" });
    await notWider(page, name);
    await page.screenshot({ path: join(options.out, `uplink-${name}.png`) });
  }

  process.kill(Number(options["hub-process"]), "SIGKILL");
  await until("the page says that the line is down, and why", async () =>
    /^not connected for .*: the hub refuses connections; .* wait, none lost/.test(await state.textContent()),
  );
  await until("the page says that it waits", async () => (await shownFacts(page))["State"] === "down, waiting to try again");
  await until("the page says why", async () => "Last error" in (await shownFacts(page)));
  assert.match((await shownFacts(page))["Reconnects"], /^1/);
  await notWider(page, "down");
  await page.screenshot({ path: join(options.out, "uplink-down.png") });
  assert.deepEqual(complaints, [], "the browser complains of nothing");
  console.log(`uplink_test: ${options.gateway} shows its uplink; screenshots are in ${options.out}`);
}

await inChromium(options, "uplink", run);
