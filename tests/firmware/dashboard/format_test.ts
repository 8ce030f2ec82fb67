import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatAge, formatLocal, formatNumber, formatUtc, formatValue, plottable, tickLabels, toNumber,
} from "../../../firmware/dashboard/src/format";

test("numbers have six significant digits and no trailing zeros", () => {
  assert.equal(formatNumber(42.5), "42.5");
  assert.equal(formatNumber(0.1 + 0.2), "0.3");
  assert.equal(formatNumber(-3.14159265), "−3.14159");
  assert.equal(formatNumber(0), "0");
  assert.equal(formatNumber(-0), "0");
  assert.equal(formatNumber(1e-7), "1e-7");
  assert.equal(formatNumber(0.00012345678), "0.000123457");
});

test("whole numbers stay whole and are grouped from five digits on", () => {
  assert.equal(formatNumber(1024), "1024");
  assert.equal(formatNumber(1234567), "1\u202f234\u202f567");
  assert.equal(formatNumber(123456.78), "123\u202f457");
  assert.equal(formatNumber(12345.678), "12\u202f345.7");
  assert.equal(formatNumber(3e20), "3e20");
});

test("what is no number says so", () => {
  assert.equal(formatNumber(NaN), "NaN");
  assert.equal(formatNumber(-Infinity), "−∞");
  assert.equal(formatValue({ double: "NaN" }, "V").text, "NaN");
  assert.equal(formatValue({ double: "Infinity" }, "V").text, "∞");
  assert.equal(formatValue({ double: "-Infinity" }, "V").text, "−∞");
});

test("values of each type are written", () => {
  assert.deepEqual(formatValue(21.5, "°C"), { text: "21.5", unit: "°C" });
  assert.deepEqual(formatValue(8 * 1024 ** 3, "B"), { text: "8", unit: "GiB" });
  assert.deepEqual(formatValue(512, "B"), { text: "512", unit: "B" });
  assert.deepEqual(formatValue(true, ""), { text: "on", unit: "" });
  assert.deepEqual(formatValue("<b>open</b>", ""), { text: "<b>open</b>", unit: "" });
  assert.deepEqual(formatValue({ base64: "AAEC" }, ""), { text: "3 bytes", unit: "" });
  assert.deepEqual(formatValue({ base64: "AA==" }, ""), { text: "1 byte", unit: "" });
});

test("numbers, booleans and what JSON cannot write are charted; text and bytes are not", () => {
  assert.ok(plottable(1) && plottable(false) && plottable({ double: "NaN" }));
  assert.ok(!plottable("1") && !plottable({ base64: "" }));
  assert.deepEqual([toNumber(2), toNumber(true), toNumber(false), toNumber({ double: "NaN" })], [2, 1, 0, NaN]);
});

test("ages grow by one unit at a time", () => {
  const now = 1_800_000_000_000;
  const age = (seconds: number): string => formatAge(now - seconds * 1000, now);
  assert.deepEqual(
    [-30, 0, 1, 3, 59, 60, 3599, 3600, 47 * 3600, 48 * 3600, -120].map(age),
    ["now", "now", "now", "3 s ago", "59 s ago", "1 min ago", "59 min ago", "1 h ago", "47 h ago", "2 days ago", "in the future"],
  );
});

test("times are local, with UTC beside", () => {
  const time = Date.UTC(2026, 10, 20, 10, 0, 5);
  const local = new Date(time);
  const clock = [local.getHours(), local.getMinutes(), local.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
  assert.equal(formatLocal(time, time + 1000), clock);
  assert.match(formatLocal(time, time + 3 * 86_400_000), /^2026-11-\d\d \d\d:\d\d:05$/);
  assert.equal(formatUtc(time), "2026-11-20 10:00:05 UTC");
});

test("marks of an axis share a scale and differ", () => {
  assert.deepEqual(tickLabels([0, 0.5, 1], ""), ["0", "0.5", "1.0"]);
  assert.deepEqual(tickLabels([20, 25, 30], "°C"), ["20", "25", "30"]);
  assert.deepEqual(tickLabels([117.5, 120, 122.5], ""), ["117.5", "120.0", "122.5"]);
  assert.deepEqual(tickLabels([-1, 0, 1], ""), ["−1", "0", "1"]);
  assert.deepEqual(tickLabels([1_230_000, 1_235_000], ""), ["1.230M", "1.235M"]);
  assert.deepEqual(tickLabels([2 * 1024 ** 3, 2.25 * 1024 ** 3], "B"), ["2.00Gi", "2.25Gi"]);
  assert.deepEqual(tickLabels([2 ** 34, 2 ** 34 + 8192, 2 ** 34 + 16384], "B"), ["16Gi", "+8Ki", "+16Ki"]);
  assert.deepEqual(tickLabels([95_255_000, 95_255_250], ""), ["95.25M", "+250"]);
  assert.deepEqual(tickLabels([], ""), []);
});
