import assert from "node:assert/strict";
import { test } from "node:test";
import { Series } from "../../../firmware/dashboard/src/series";

const kNow = 1_800_000_000_000;
const fresh = (): Series => new Series(600_000, 500);

test("up to two readings a bucket are kept exactly, in order of time", () => {
  const series = fresh();
  series.add(kNow - 1_000, 5, kNow);
  series.add(kNow - 900, 3, kNow);
  series.add(kNow - 400, 4, kNow);
  assert.deepEqual(series.columns(), [[kNow - 1_000, kNow - 900, kNow - 400].map((t) => t / 1000), [5, 3, 4]]);
});

test("of many readings in a bucket the smallest and the largest stay", () => {
  const series = fresh();
  for (let i = 0; i < 500; i += 1) series.add(kNow - 500 + i, (i * 37) % 500, kNow);
  assert.deepEqual([...series.columns()[1]].sort((a, b) => a! - b!), [0, 499]);
});

test("a reading that is there already changes nothing", () => {
  const series = fresh();
  for (const value of [2, 1, 3]) series.add(kNow - 100 + value, value, kNow);
  const before = series.columns();
  for (const value of [2, 1, 3]) assert.equal(series.add(kNow - 100 + value, value, kNow), false);
  assert.deepEqual(series.columns(), before);
});

test("late readings find their place, in whatever order they come", () => {
  const seed = Date.now() % 1_000_000;
  console.log(`seed ${seed}`);
  let state = seed;
  const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  const readings = Array.from({ length: 3_000 }, (_, i) => ({ time: kNow - 600_000 + i * 200, value: Math.round(random() * 100) }));
  const inOrder = fresh();
  const shuffled = fresh();
  for (const { time, value } of readings) inOrder.add(time, value, kNow);
  for (const { time, value } of [...readings].sort(() => random() - 0.5)) shuffled.add(time, value, kNow);
  const [times, values] = shuffled.columns();
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
  // Of equal values in one bucket it depends on the order which one stays; the values do not.
  assert.deepEqual([...values].sort(), [...inOrder.columns()[1]].sort());
});

test("memory is bounded: two points a bucket of the window", () => {
  const series = fresh();
  for (let time = kNow - 700_000; time <= kNow; time += 10) series.add(time, Math.sin(time), time);
  // Nothing was trimmed from outside: a page in the background is not drawn for days.
  const points = series.size;
  assert.ok(points > 2_300 && points <= 2 * 1_202, String(points));
});

test("the line breaks where a channel was silent far longer than usual", () => {
  const series = fresh();
  for (const age of [40, 39, 38, 37, 27, 20, 19, 18]) series.add(kNow - age * 1_000, age, kNow);
  assert.deepEqual(series.columns()[1], [40, 39, 38, 37, 27, 20, 19, 18]);
  for (const age of [6, 5, 4]) series.add(kNow - age * 1_000, age, kNow);
  const [times, values] = series.columns();
  assert.deepEqual(values, [40, 39, 38, 37, 27, 20, 19, 18, null, 6, 5, 4]);
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
  assert.equal(series.size, 11);
});

test("a channel that seldom speaks is not cut to pieces", () => {
  const series = fresh();
  for (let age = 590; age > 0; age -= 60) series.add(kNow - age * 1_000, age, kNow);
  assert.ok(!series.columns()[1].includes(null));
});

test("what leaves the window is forgotten", () => {
  const series = fresh();
  series.add(kNow - 599_000, 1, kNow);
  series.add(kNow, 2, kNow);
  series.trim(kNow + 2_000);
  assert.deepEqual(series.columns()[1], [2]);
});

test("what is older than the window, dated far ahead or no number is not taken", () => {
  const series = fresh();
  assert.equal(series.add(kNow - 600_001, 1, kNow), false);
  assert.equal(series.add(kNow + 60_001, 1, kNow), false);
  assert.equal(series.add(kNow, NaN, kNow), false);
  assert.equal(series.add(kNow, Infinity, kNow), false);
  assert.equal(series.add(NaN, 1, kNow), false);
  assert.deepEqual(series.columns(), [[], []]);
});
