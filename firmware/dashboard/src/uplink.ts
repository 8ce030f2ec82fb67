/** The line to the hub above, in words. `status_words.cpp` says the same on a terminal. */
import type { Uplink } from "./api";
import { byId, type Fact, setText, showFactList } from "./dom";
import { formatCount, formatLocal, formatNumber, formatSpan, formatUtc, formatValue } from "./format";

const kStates: Record<string, [health: string, words: string]> = {
  live: ["online", "live"],
  greeting: ["behind", "connected, no Welcome of the hub yet"],
  connecting: ["behind", "connecting"],
  waiting: ["offline", "down, waiting to try again"],
};
const kWays: Record<string, string> = { silent: " (silent)", reset: " (reset)", fin: " (closed)" };

function pathWords(path: string): string {
  const [route, transport] = path.split("+");
  return `${route === "proxy" ? "through the proxy" : "direct"}, ${transport ? `SockJS ${transport}` : "WebSocket"}`;
}

function cutWords({ cut_kind, learned_cut_s, safe_s, counts }: Uplink): string {
  if (cut_kind === "none" || learned_cut_s === undefined) return `no cut up to ${formatSpan(safe_s ?? 0)}`;
  const whose = counts === "from-hub-only" ? ", counts only what the hub sends" : "";
  return `cuts idle lines after ${formatSpan(learned_cut_s)}${kWays[cut_kind!] ?? ""}${whose}`;
}

/** What is known of the path; undefined if the heartbeat is fixed and so nothing is learned. */
export function learnedWords(uplink: Uplink): string | undefined {
  const { probes, safe_s, lifetime_s } = uplink;
  if (probes === undefined) return undefined;
  const count = `${formatCount(probes)} ${probes === 1 ? "probe" : "probes"}`;
  const safe = safe_s === undefined ? "" : `; idle for ${formatSpan(safe_s)} is safe`;
  const words =
    uplink.cut_kind !== undefined
      ? `${cutWords(uplink)}; ${count}`
      : uplink.probes_blocked
        ? "nothing: no side lines can be opened on this path"
        : `learning: ${count} so far${safe}`;
  return lifetime_s === undefined ? words : `${words}; ends every line at the age of ${formatSpan(lifetime_s)}`;
}

export function uplinkFacts(uplink: Uplink, now: number): Fact[] {
  const { heartbeat_interval_s: interval, heartbeat_bytes_a_day: bytes } = uplink;
  const facts: Fact[] = [];
  if (uplink.url) facts.push(["Hub", uplink.url]);
  if (uplink.path) facts.push(["Path", pathWords(uplink.path)]);
  // Without a line each try begins anew, and there is nobody to answer.
  const isLive = uplink.state === "live";
  if (isLive && uplink.since) {
    const since = Date.parse(uplink.since);
    facts.push(["Live since", formatLocal(since, now), formatUtc(since)]);
  }
  if (isLive && uplink.rtt_ms !== undefined) {
    facts.push(["Round trip", `${formatNumber(Number(uplink.rtt_ms.toFixed(uplink.rtt_ms < 10 ? 1 : 0)))} ms`]);
  }
  const learned = learnedWords(uplink);
  if (learned !== undefined) facts.push(["Learned of the path", learned]);
  if (interval !== undefined) {
    const day = bytes === undefined ? undefined : formatValue(bytes, "B");
    facts.push([
      "Heartbeat",
      `when idle for ${formatSpan(interval)}; ${day ? `${day.text} ${day.unit} a day` : "fixed"}`,
      day ? "Pings and their answers; heads of TCP and IP not counted" : "",
    ]);
  }
  const end = uplink.last_end === undefined ? "" : `, last end: ${uplink.last_end}`;
  facts.push(["Reconnects", `${formatCount(uplink.reconnects ?? 0)}${end}`]);
  if (uplink.last_error) facts.push(["Last error", uplink.last_error]);
  return facts;
}

/** undefined: this node has no uplink, and nothing of it is shown. */
export function showUplink(uplink: Uplink | undefined, now: number): void {
  byId("uplink").hidden = uplink === undefined;
  if (!uplink) return;
  const [health, words] = kStates[uplink.state] ?? ["behind", uplink.state];
  const state = byId("uplink-state");
  if (state.dataset.health !== health) state.dataset.health = health;
  setText(state, words);
  showFactList(byId("uplink-facts"), uplinkFacts(uplink, now));
}
