/** The line to the hub above. The node itself says how it is (firmware/api/words.cpp); here it is only shown. */
import type { NodeWords, StatusFact } from "./api";
import { byId, type Fact, setText, showFactList } from "./dom";
import { formatLocal, formatUtc } from "./format";

const kHealth: Record<NodeWords["level"], string> = { good: "online", warning: "behind", bad: "offline" };

/** What is said of the uplink; undefined: this node has none. */
export function uplinkFacts(words: NodeWords, now: number): Fact[] | undefined {
  const section = words.sections.find(({ name }) => name === "Uplink");
  return section?.facts.map(([name, text, time]: StatusFact): Fact => {
    const at = time === undefined ? NaN : Date.parse(time);
    return Number.isNaN(at) ? [name, text] : [name, text, `${formatLocal(at, now)} · ${formatUtc(at)}`];
  });
}

/** Nothing is shown of a node that has no uplink. */
export function showUplink(words: NodeWords | undefined, now: number): void {
  const facts = words && uplinkFacts(words, now);
  byId("uplink").hidden = facts === undefined;
  if (!words || !facts) return;
  const state = byId("uplink-state");
  const health = kHealth[words.level] ?? "behind";
  if (state.dataset.health !== health) state.dataset.health = health;
  setText(state, words.verdict);
  showFactList(byId("uplink-facts"), facts);
}
