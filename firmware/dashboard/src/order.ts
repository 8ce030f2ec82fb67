/** In what order devices stand in the fleet's table. */
import type { Device } from "./api";

export type Column = "state" | "id" | "last_seen" | "backlog" | "readings";
export type Health = "offline" | "behind" | "online";

/** So many readings wait on a device that a line in good health would not leave there. */
export const kBehindFrom = 1_000;

export function healthOf(device: Device): Health {
  if (device.state === "offline") return "offline";
  return (device.backlog ?? 0) >= kBehindFrom ? "behind" : "online";
}

const kRank: Record<Health, number> = { offline: 0, behind: 1, online: 2 };
const byName = new Intl.Collator(undefined, { numeric: true }).compare;

function difference(a: Device, b: Device, column: Column): number {
  switch (column) {
    case "state":
      return kRank[healthOf(a)] - kRank[healthOf(b)];
    case "id":
      return 0;
    case "last_seen":
      return Date.parse(b.last_seen ?? "1970-01-01") - Date.parse(a.last_seen ?? "1970-01-01");
    case "backlog":
      return (b.backlog ?? -1) - (a.backlog ?? -1);
    case "readings":
      return b.readings - a.readings;
  }
}

/** A new array: what needs attention first, or what is latest or largest first; by name where that is equal. */
export function ordered(devices: readonly Device[], column: Column): Device[] {
  return [...devices].sort((a, b) => difference(a, b, column) || byName(a.id, b.id));
}
