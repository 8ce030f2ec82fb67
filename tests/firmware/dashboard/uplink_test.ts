import assert from "node:assert/strict";
import { test } from "node:test";
import type { NodeWords } from "../../../firmware/dashboard/src/api";
import { formatLocal } from "../../../firmware/dashboard/src/format";
import { uplinkFacts } from "../../../firmware/dashboard/src/uplink";

const kNow = Date.UTC(2026, 10, 20, 10, 0, 0);
const words = (...sections: NodeWords["sections"]): NodeWords => ({ verdict: "connected", level: "good", sections });

test("the node's words of its uplink are shown as they are, in their order", () => {
  const facts: [string, string][] = [["State", "live"], ["Path", "direct, WebSocket"], ["Reconnects", "0"]];
  const said = words({ name: "Node", facts: [["Name", "site"]] }, { name: "Uplink", facts }, { name: "Journal", facts: [] });
  assert.deepEqual(uplinkFacts(said, kNow), facts);
});

test("a moment is told in local time and UTC beside its words", () => {
  const said = words({ name: "Uplink", facts: [["Live since", "8 s ago", "2026-11-20T09:59:52Z"]] });
  const at = kNow - 8_000;
  assert.deepEqual(uplinkFacts(said, kNow), [
    ["Live since", "8 s ago", `${formatLocal(at, kNow)} · 2026-11-20 09:59:52 UTC`],
  ]);
});

test("what is no moment is not told as one", () => {
  assert.deepEqual(uplinkFacts(words({ name: "Uplink", facts: [["a", "b", "soon"]] }), kNow), [["a", "b"]]);
});

test("a node without an uplink shows none", () => {
  assert.equal(uplinkFacts(words({ name: "Node", facts: [] }), kNow), undefined);
});
