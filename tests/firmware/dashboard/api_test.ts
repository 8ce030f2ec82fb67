import assert from "node:assert/strict";
import { test } from "node:test";
import { type Device, type Get, type Reading, readSince } from "../../../firmware/dashboard/src/api";
import { retryDelay } from "../../../firmware/dashboard/src/live";
import { healthOf, ordered } from "../../../firmware/dashboard/src/order";

const kNow = 1_800_000_000_000;
const kWindow = 600_000;

/** A hub with a reading every `step` milliseconds until now. */
function hub(step: number): { get: Get; asked: URL[] } {
  const asked: URL[] = [];
  const get = async <T>(path: string): Promise<T> => {
    const url = new URL(path, "http://hub/");
    asked.push(url);
    const from = Date.parse(url.searchParams.get("from")!);
    const limit = Number(url.searchParams.get("limit"));
    let time = url.searchParams.has("after") ? Number(url.searchParams.get("after")) + step : from;
    const readings: Reading[] = [];
    for (; time <= kNow && readings.length < limit; time += step) {
      readings.push({ seq: time, time: new Date(time).toISOString(), channel: "c", value: 1, unit: "" });
    }
    const next = time <= kNow ? { next: String(time - step) } : {};
    return { readings, ...next } as T;
  };
  return { get, asked };
}

async function read(get: Get): Promise<Reading[]> {
  const all: Reading[] = [];
  await readSince(get, "a/b c", kNow - kWindow, kNow, (page) => all.push(...page) > 0);
  return all;
}

test("pages are followed by their cursor until there is none, each reading once", async () => {
  const { get, asked } = hub(50);
  const all = await read(get);
  assert.equal(asked.length, 3);
  assert.equal(all.length, kWindow / 50 + 1);
  assert.equal(new Set(all.map((reading) => reading.seq)).size, all.length);
});

test("a device's name is escaped in the path", async () => {
  const { get, asked } = hub(1_000);
  await read(get);
  assert.equal(asked[0]!.pathname, "/api/devices/a%2Fb%20c/readings");
});

test("of a device too busy for the whole window the latest readings are read", async () => {
  const { get, asked } = hub(1);
  const all = await read(get);
  assert.ok(asked.length <= 12, String(asked.length));
  assert.equal(all.at(-1)!.seq, kNow);
  assert.ok(all.length > 50_000);
});

test("reading ends when the taker has gone", async () => {
  const { get, asked } = hub(50);
  await readSince(get, "d", kNow - kWindow, kNow, () => false);
  assert.equal(asked.length, 1);
});

test("a cursor that stands still is no endless loop", async () => {
  let asked = 0;
  const get = async <T>(): Promise<T> => {
    asked += 1;
    return { readings: [], next: "7" } as T;
  };
  await readSince(get, "d", kNow - kWindow, kNow, () => true);
  assert.equal(asked, 2);
});

test("retries wait longer each time, from half a second to half a minute, and never all at once", () => {
  assert.equal(retryDelay(0, 0), 250);
  assert.equal(retryDelay(0, 1), 500);
  assert.equal(retryDelay(3, 1), 4_000);
  assert.equal(retryDelay(50, 1), 30_000);
  assert.equal(retryDelay(5_000, 0), 15_000);
});

const device = (id: string, more: Partial<Device> = {}): Device => ({ id, state: "online", readings: 0, gaps: 0, ...more });
const names = (devices: Device[]): string[] => devices.map(({ id }) => id);

test("what needs attention comes first: offline, then far behind, then the rest by name", () => {
  const fleet = [
    device("d10"), device("d2"), device("slow", { backlog: 1_000 }), device("busy", { backlog: 999 }),
    device("gone", { state: "offline", backlog: 5_000 }),
  ];
  assert.deepEqual(names(ordered(fleet, "state")), ["gone", "slow", "busy", "d2", "d10"]);
  assert.deepEqual(fleet.map(healthOf), ["online", "online", "behind", "online", "offline"]);
});

test("columns order by what is latest or most", () => {
  const fleet = [
    device("a", { readings: 5, backlog: 0 }), device("b", { readings: 9, last_seen: "2026-11-20T10:00:00Z" }),
    device("c", { readings: 5, backlog: 7, last_seen: "2026-11-20T11:00:00Z" }),
  ];
  assert.deepEqual(names(ordered(fleet, "readings")), ["b", "a", "c"]);
  assert.deepEqual(names(ordered(fleet, "backlog")), ["c", "a", "b"]);
  assert.deepEqual(names(ordered(fleet, "last_seen")), ["c", "b", "a"]);
  assert.deepEqual(names(ordered(fleet, "id")), ["a", "b", "c"]);
});
