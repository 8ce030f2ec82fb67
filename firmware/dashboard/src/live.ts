/** The live feed: one WebSocket, opened again whenever it ends. */
import type { Reading } from "./api";

export type LiveReading = Reading & { device: string };

export interface LiveEvents {
  /** The feed is open. What was missed while it was not must be fetched. */
  opened(): void;
  closed(): void;
  readings(readings: LiveReading[]): void;
}

/** Half to all of 0.5 s, 1 s, 2 s … 30 s: a thousand pages must not return to a restarted hub in one instant. */
export function retryDelay(attempt: number, random: number): number {
  return Math.min(30_000, 500 * 2 ** attempt) * (0.5 + random / 2);
}

export class Live {
  private socket: WebSocket | undefined;
  private timer: number | undefined;
  private attempt = 0;
  private stopped = false;

  constructor(
    private readonly device: string,
    private readonly events: LiveEvents,
  ) {
    this.open();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  private open(): void {
    const url = new URL("v1/live", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = `device=${encodeURIComponent(this.device)}`;
    const socket = new WebSocket(url);
    this.socket = socket;
    let openedAt = 0;
    socket.onopen = () => {
      openedAt = Date.now();
      if (!this.stopped) this.events.opened();
    };
    socket.onmessage = (message) => {
      if (!this.stopped && typeof message.data === "string") {
        this.events.readings(JSON.parse(message.data) as LiveReading[]);
      }
    };
    socket.onclose = () => {
      if (this.stopped) return;
      // A feed that lived a while ended for a new reason; one that ends at once would be tried in a tight loop.
      if (openedAt > 0 && Date.now() - openedAt > 10_000) this.attempt = 0;
      this.events.closed();
      this.timer = setTimeout(() => this.open(), retryDelay(this.attempt, Math.random()));
      this.attempt += 1;
    };
  }
}
