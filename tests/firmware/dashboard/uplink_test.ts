import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uplink } from "../../../firmware/dashboard/src/api";
import { formatSpan } from "../../../firmware/dashboard/src/format";
import { learnedWords, uplinkFacts } from "../../../firmware/dashboard/src/uplink";

const kSince = Date.UTC(2026, 10, 20, 10, 0, 0);
const uplink = (more: Partial<Uplink> = {}): Uplink => ({ state: "live", ...more });
const facts = (more: Partial<Uplink>): Record<string, string> =>
  Object.fromEntries(uplinkFacts(uplink(more), kSince).map(([name, text]) => [name, text]));

test("spans are as exact as one wants to know them", () => {
  assert.deepEqual([0, 4.25, 5, 9.96, 25, 240.4, 599].map(formatSpan), ["0 s", "4.3 s", "5 s", "10 s", "25 s", "240 s", "599 s"]);
  assert.deepEqual([600, 1_860, 7_199, 7_200, 9_000].map(formatSpan), ["10 min", "31 min", "120 min", "2 h", "2.5 h"]);
});

test("each kind of cut has its words", () => {
  const cut = { learned_cut_s: 240, counts: "either-way", probes: 8 };
  assert.equal(learnedWords(uplink({ ...cut, cut_kind: "silent" })), "cuts idle lines after 240 s (silent); 8 probes");
  assert.equal(learnedWords(uplink({ ...cut, cut_kind: "reset" })), "cuts idle lines after 240 s (reset); 8 probes");
  assert.equal(learnedWords(uplink({ ...cut, cut_kind: "fin" })), "cuts idle lines after 240 s (closed); 8 probes");
  assert.equal(learnedWords(uplink({ ...cut, cut_kind: "unknown" })), "cuts idle lines after 240 s; 8 probes");
});

test("a path that cuts nothing says how far that was tried", () => {
  assert.equal(learnedWords(uplink({ cut_kind: "none", safe_s: 1_860, probes: 12 })), "no cut up to 31 min; 12 probes");
});

test("a path on which only the hub's words count says so, and so does one that ends lines by age", () => {
  assert.equal(
    learnedWords(uplink({ learned_cut_s: 60, cut_kind: "fin", counts: "from-hub-only", lifetime_s: 7_200, probes: 3 })),
    "cuts idle lines after 60 s (closed), counts only what the hub sends; 3 probes; ends every line at the age of 2 h",
  );
});

test("while nothing is learned the probes so far are told, or why there are none", () => {
  assert.equal(learnedWords(uplink({ probes: 0 })), "learning: 0 probes so far");
  assert.equal(learnedWords(uplink({ probes: 1, safe_s: 10.6 })), "learning: 1 probe so far; idle for 11 s is safe");
  assert.equal(learnedWords(uplink({ probes: 3, probes_blocked: true })), "nothing: no side lines can be opened on this path");
});

test("a fixed heartbeat learns nothing", () => {
  const shown = facts({ heartbeat_interval_s: 25 });
  assert.equal(shown["Heartbeat"], "when idle for 25 s; fixed");
  assert.ok(!("Learned of the path" in shown));
});

test("each path has its words", () => {
  const words = (path: string): string | undefined => facts({ path })["Path"];
  assert.equal(words("direct"), "direct, WebSocket");
  assert.equal(words("proxy"), "through the proxy, WebSocket");
  assert.equal(words("direct+xhr_streaming"), "direct, SockJS xhr_streaming");
  assert.equal(words("proxy+xhr"), "through the proxy, SockJS xhr");
});

test("what the node does not tell is not shown", () => {
  assert.deepEqual(facts({}), { Reconnects: "0" });
});

test("while there is no line, nobody answers, and since when it is tried is not worth a word", () => {
  const since = new Date(kSince).toISOString();
  for (const state of ["waiting", "connecting", "greeting"] as const) {
    assert.deepEqual(facts({ state, since, rtt_ms: 1, last_error: "refused" }), { Reconnects: "0", "Last error": "refused" });
  }
});

test("all that is told is shown", () => {
  const shown = facts({
    url: "ws://hub/v1/uplink", path: "direct", since: new Date(kSince).toISOString(), rtt_ms: 0.42, heartbeat_interval_s: 226.4,
    heartbeat_bytes_a_day: 20_592, probes: 2, reconnects: 3, last_end: "idle cut", last_error: "refused",
  });
  assert.deepEqual(Object.keys(shown), [
    "Hub", "Path", "Live since", "Round trip", "Learned of the path", "Heartbeat", "Reconnects", "Last error",
  ]);
  assert.equal(shown["Round trip"], "0.4 ms");
  assert.equal(shown["Heartbeat"], "when idle for 226 s; 20.11 KiB a day");
  assert.equal(shown["Reconnects"], "3, last end: idle cut");
});
