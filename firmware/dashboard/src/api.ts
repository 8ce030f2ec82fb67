/** The hub's HTTP interface, as far as the page reads it. */
import type { Value } from "./format";

export interface Device {
  id: string;
  state: "online" | "offline";
  last_seen?: string;
  connected_since?: string;
  backlog?: number;
  readings: number;
  software?: string;
  address?: string;
  via?: string;
  gaps: number;
}

/** One line of a node's status, with the moment that it tells of (RFC 3339) if it tells of one. */
export type StatusFact = [name: string, words: string, time?: string];

/** The node itself in its own words, as `holdfast status` prints them. See "HTTP" in README.md. */
export interface NodeWords {
  verdict: string;
  level: "good" | "warning" | "bad";
  sections: { name: string; facts: StatusFact[] }[];
}

export interface Channel {
  name: string;
  unit: string;
  last?: { time?: string; value: Value };
}

export interface Reading {
  seq: number;
  time: string | null;
  channel: string;
  value: Value;
  unit: string;
}

export interface ReadingsPage {
  readings: Reading[];
  next?: string;
}

/** Gets the JSON at a path below the page's own address. */
export type Get = <T>(path: string) => Promise<T>;

/** The hub answered, but not with what was asked for. */
export class Refused extends Error {
  constructor(
    path: string,
    readonly status: number,
  ) {
    super(`${path}: ${status}`);
  }
}

export async function get<T>(path: string): Promise<T> {
  const answer = await fetch(new URL(path, document.baseURI), { signal: AbortSignal.timeout(20_000) });
  if (!answer.ok) throw new Refused(path, answer.status);
  return (await answer.json()) as T;
}

export const devicePath = (id: string): string => `api/devices/${encodeURIComponent(id)}`;

const kPageSize = 5_000;
const kMaxPages = 12;

/**
 * Hands on the readings of a device since `from`, page by page. A device too busy for `kMaxPages` pages gets a
 * shorter past instead: the most recent readings matter more than the oldest.
 */
export async function readSince(
  getJson: Get,
  id: string,
  from: number,
  now: number,
  take: (readings: Reading[]) => boolean,
): Promise<void> {
  let start = from;
  let cursor: string | undefined;
  for (let pages = 0; pages < kMaxPages; pages += 1) {
    const parameters = new URLSearchParams({ from: new Date(start).toISOString(), limit: String(kPageSize) });
    if (cursor !== undefined) parameters.set("after", cursor);
    const page = await getJson<ReadingsPage>(`${devicePath(id)}/readings?${parameters}`);
    if (pages === 0 && page.next !== undefined) {
      const affordable = spanOf(page.readings) * (kMaxPages - 1);
      if (affordable > 0 && affordable < now - start) {
        start = now - affordable;
        continue;
      }
    }
    if (!take(page.readings) || page.next === undefined || page.next === cursor) return;
    cursor = page.next;
  }
}

/** Milliseconds between the first and the last reading that has a time. */
function spanOf(readings: Reading[]): number {
  const times = readings.filter((reading) => reading.time !== null).map((reading) => Date.parse(reading.time!));
  return times.length > 1 ? times[times.length - 1]! - times[0]! : 0;
}
