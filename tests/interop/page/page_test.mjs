// Opens the page of a running hub in Chromium and sees a pushed reading arrive on its chart. See README.md.
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { complaintsOf, inChromium, kPatience, notWider, until } from "./browser.mjs";

const kChannel = "page-test";
const kPastReadings = 54;

const { values: options } = parseArgs({
  options: {
    hub: { type: "string" },
    push: { type: "string" },
    out: { type: "string" },
    device: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (!options.hub || !options.push || !options.out) {
  console.error("usage: node page_test.mjs --hub URL --push WS_URL --out DIRECTORY [--device ID] [--chromium FILE]");
  process.exit(2);
}

/** A page of the push address's own origin: a node refuses WebSockets that a page from elsewhere opens. */
async function openPusher(context) {
  const page = await context.newPage();
  const health = new URL("/healthz", options.push);
  health.protocol = health.protocol === "wss:" ? "https:" : "http:";
  await page.goto(health.href);
  return page;
}

/** Sends readings and waits until the node says that they are durable. */
function push(page, readings) {
  return page.evaluate(
    ([url, text, count]) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send(text);
        socket.onerror = () => reject(new Error(`no WebSocket at ${url}`));
        socket.onmessage = ({ data }) => {
          const { ack } = JSON.parse(data);
          if (ack < count) return;
          socket.close();
          if (ack === count) resolve();
          else reject(new Error(`pushed ${text}, answered ${data}`));
        };
      }),
    [options.push, JSON.stringify(readings), Array.isArray(readings) ? readings.length : 1],
  );
}

/** A reading each ten seconds of the last nine minutes, the last of them 41.25. */
function past() {
  const now = Date.now();
  return Array.from({ length: kPastReadings }, (_, i) => {
    const age = kPastReadings - 1 - i;
    const value = Number((41.25 + 2 * Math.sin(age / 6)).toFixed(2));
    return { channel: kChannel, value, time: new Date(now - age * 10_000).toISOString() };
  });
}

async function getJson(context, path) {
  const answer = await context.request.get(new URL(path, options.hub).href);
  assert.equal(answer.status(), 200, path);
  return answer.json();
}

/** The device under which the hub stores what is pushed. */
async function findDevice(context) {
  if (options.device) return options.device;
  const { devices } = await getJson(context, "/api/devices");
  for (const { id } of devices) {
    const { channels } = await getJson(context, `/api/devices/${encodeURIComponent(id)}/channels`);
    if (channels.some(({ name }) => name === kChannel)) return id;
  }
  return undefined;
}

async function run(context) {
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints = complaintsOf(page, options.hub);

  const pusher = await openPusher(context);
  await push(pusher, past());
  const device = await until("the hub knows the device that was pushed to", () => findDevice(context));

  await page.bringToFront();
  await page.goto(new URL(`/#/device/${encodeURIComponent(device)}`, options.hub).href);
  const card = page.locator(`[data-channel="${kChannel}"]`);
  const plot = card.locator(".plot");
  const number = card.locator(".number");
  const state = page.locator("#hub-state");
  await until("the live feed is open", async () => (await state.textContent()) === "Live");
  await card.scrollIntoViewIfNeeded({ timeout: kPatience });
  const points = await until("the chart holds what was pushed before", async () => {
    const count = Number(await plot.getAttribute("data-points"));
    return count >= kPastReadings && count;
  });
  assert.equal(await number.textContent(), "41.25");
  assert.equal(await page.locator("#device-name").textContent(), device);
  assert.ok((await page.locator("#fleet-rows tr").count()) > 0, "the fleet has a row");

  // Were the page loaded again, this mark would be gone.
  await page.evaluate(() => (window.name = "not reloaded"));
  await push(pusher, { channel: kChannel, value: 42.5 });
  await until("the pushed reading is the current value", async () => (await number.textContent()) === "42.5");
  await until("the chart has grown", async () => Number(await plot.getAttribute("data-points")) > points);
  assert.equal(await page.evaluate(() => window.name), "not reloaded");
  assert.ok((await plot.locator("canvas").count()) === 1, "the chart is drawn");

  await card.screenshot({ path: join(options.out, "page-chart.png") });
  await page.evaluate(() => scrollTo(0, 0));
  const sizes = { light: [1360, 900], dark: [1360, 900], phone: [390, 844] };
  for (const [name, [width, height]] of Object.entries(sizes)) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: name === "dark" ? "dark" : "light" });
    await notWider(page, name);
    await page.waitForTimeout(1_300); // the charts follow the new size and colours within a second
    await page.screenshot({ path: join(options.out, `page-${name}.png`) });
  }
  assert.deepEqual(complaints, [], "the browser complains of nothing");
  console.log(`page_test: ${device} shows ${kChannel} 42.5 live; screenshots are in ${options.out}`);
}

await inChromium(options, "page", run);
