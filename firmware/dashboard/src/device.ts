/** The opened device: what is known of it, and a card for each of its channels, kept current by the live feed. */
import { type Channel, type Device, type Reading, devicePath, get, readSince, Refused } from "./api";
import { ChannelCard, kWindowMs } from "./channel_card";
import { byId, type Fact, setText, showFactList } from "./dom";
import { formatAge, formatCount, formatLocal, formatUtc, type Value } from "./format";
import { Live, type LiveReading } from "./live";
import { healthOf } from "./order";

/** Between two drawings: what arrives within is drawn together. */
const kDrawIntervalMs = 100;
/** A device that has only just begun fills its charts from this width on. */
const kShortestMs = 60_000;
/** While the live feed is down, what is new is asked for instead. */
const kAskIntervalMs = 5_000;
/** So long the live feed may take to open before history is asked for without it. */
const kOpeningMs = 1_500;

export class DevicePanel {
  private readonly cards = new Map<string, ChannelCard>();
  private readonly byRoot = new Map<Element, ChannelCard>();
  private readonly changed = new Set<ChannelCard>();
  private readonly charts = byId("charts");
  private readonly texts = byId("texts");
  private readonly note = byId("device-note");
  private readonly seen: IntersectionObserver;
  private readonly live: Live;
  /** The earliest reading on any chart: all share one axis of time. */
  private earliest = Infinity;
  private drawing = false;
  private stopped = false;
  private loading = false;
  private loadAgain = false;
  private askedAt = Date.now() - kAskIntervalMs + kOpeningMs;
  /** Until when history has been read; undefined: not at all. */
  private knownUntil: number | undefined;
  /** Whether the live feed is open. */
  isLive = false;

  constructor(
    readonly id: string,
    private readonly stateChanged: () => void,
  ) {
    setText(byId("device-name"), id);
    setText(this.note, "Reading the last 10 minutes …");
    // A chart a little outside of the screen is drawn already, so that scrolling finds it there.
    this.seen = new IntersectionObserver((entries) => this.scrolled(entries), { rootMargin: "300px" });
    this.live = new Live(id, {
      opened: () => this.liveChanged(true),
      closed: () => this.liveChanged(false),
      readings: (readings) => this.arrived(readings),
    });
  }

  stop(): void {
    this.stopped = true;
    this.live.stop();
    this.seen.disconnect();
    for (const card of this.cards.values()) card.destroy();
  }

  /** Once a second: ages grow and the charts' window moves on. */
  tick(now: number): void {
    for (const card of this.cards.values()) {
      if (!card.visible) continue;
      card.showCurrent(now);
      this.changed.add(card);
    }
    this.drawSoon();
    const complete = this.isLive && this.knownUntil !== undefined;
    if (!complete && now - this.askedAt > kAskIntervalMs) void this.load(this.knownUntil);
  }

  recolour(): void {
    for (const card of this.cards.values()) card.recolour();
  }

  private liveChanged(open: boolean): void {
    this.isLive = open;
    this.stateChanged();
    // First the feed, then the past: what became durable in between is in one of them, or in both.
    if (open) void this.load();
  }

  /** Channels, and readings since shortly before `since`, or of the whole window. */
  private async load(since?: number): Promise<void> {
    if (this.loading) {
      this.loadAgain ||= since === undefined;
      return;
    }
    this.loading = true;
    const now = Date.now();
    const from = since === undefined ? now - kWindowMs : Math.max(now - kWindowMs, since - kAskIntervalMs);
    this.askedAt = now;
    try {
      const { channels } = await get<{ channels: Channel[] }>(`${devicePath(this.id)}/channels`);
      if (this.stopped) return;
      for (const channel of channels) this.take(channel);
      await readSince(get, this.id, from, now, (readings) => {
        if (!this.stopped) for (const reading of readings) this.addPast(reading);
        return !this.stopped;
      });
      this.knownUntil = now;
      this.say("This device has sent no reading yet.");
    } catch (error) {
      const unknown = error instanceof Refused && error.status === 404;
      this.say(unknown ? "This hub does not know this device." : "The hub did not answer. Trying again …");
    } finally {
      this.loading = false;
    }
    if (this.loadAgain && !this.stopped) {
      this.loadAgain = false;
      void this.load();
    }
  }

  /** In place of channels, as long as there are none. */
  private say(what: string): void {
    if (!this.stopped) setText(this.note, this.cards.size > 0 ? "" : what);
  }

  private take(channel: Channel): void {
    const card = this.card(channel.name, channel.unit);
    if (!channel.last) return;
    const time = channel.last.time === undefined ? undefined : Date.parse(channel.last.time);
    this.add(card, channel.last.value, time);
    card.setCurrent(channel.last.value, time);
    this.mark(card);
  }

  private add(card: ChannelCard, value: Value, time: number | undefined): boolean {
    const added = card.add(value, time, Date.now());
    if (added) this.earliest = Math.min(this.earliest, time!);
    return added;
  }

  private addPast(reading: Reading): void {
    const card = this.card(reading.channel, reading.unit);
    const time = reading.time === null ? undefined : Date.parse(reading.time);
    const changed = this.add(card, reading.value, time);
    if (!card.hasCurrent) card.setCurrent(reading.value, time);
    if (changed) this.mark(card);
  }

  private arrived(readings: LiveReading[]): void {
    for (const reading of readings) {
      if (reading.device !== this.id) continue;
      const card = this.card(reading.channel, reading.unit);
      const time = reading.time === null ? undefined : Date.parse(reading.time);
      this.add(card, reading.value, time);
      card.setCurrent(reading.value, time);
      this.mark(card);
    }
  }

  /** A channel is its name and its unit: when the unit changes, that is another channel. */
  private card(name: string, unit: string): ChannelCard {
    const key = `${name}\n${unit}`;
    let card = this.cards.get(key);
    if (!card) {
      card = new ChannelCard({ name, unit });
      this.cards.set(key, card);
      this.byRoot.set(card.root, card);
      setText(this.note, "");
      this.place(card);
      this.seen.observe(card.root);
    }
    return card;
  }

  /** Charts stand together, and texts do; both by name. */
  private place(card: ChannelCard): void {
    const parent = card.kind === "chart" ? this.charts : this.texts;
    if (card.root.parentElement === parent) return;
    const name = card.root.dataset.channel!;
    const after = [...parent.children].find((other) => (other as HTMLElement).dataset.channel! > name);
    parent.insertBefore(card.root, after ?? null);
  }

  private mark(card: ChannelCard): void {
    this.place(card);
    this.changed.add(card);
    this.drawSoon();
  }

  private drawSoon(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      const now = Date.now();
      const from = Math.max(now - kWindowMs, Math.min(this.earliest, now - kShortestMs));
      for (const card of this.changed) {
        card.showCurrent(now);
        card.draw(from, now);
      }
      this.changed.clear();
      setTimeout(() => {
        this.drawing = false;
        if (!this.stopped && this.changed.size > 0) this.drawSoon();
      }, kDrawIntervalMs);
    });
  }

  private scrolled(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const card = this.byRoot.get(entry.target);
      if (!card) continue;
      card.visible = entry.isIntersecting;
      if (card.visible) this.mark(card);
    }
  }
}

/** The facts above the charts; none of a device that the hub does not know. */
export function showFacts(device: Device | undefined, now: number): void {
  const state = byId("device-state");
  state.hidden = device === undefined;
  byId("device-facts").hidden = device === undefined;
  if (!device) return;
  setText(state, healthOf(device));
  state.dataset.health = healthOf(device);
  const facts: Fact[] = [];
  if (device.state === "online" && device.connected_since) {
    const since = Date.parse(device.connected_since);
    facts.push(["Connected since", formatLocal(since, now), formatUtc(since)]);
  } else if (device.last_seen) {
    const seen = Date.parse(device.last_seen);
    facts.push(["Last seen", formatAge(seen, now), `${formatLocal(seen, now)} · ${formatUtc(seen)}`]);
  }
  if (device.backlog !== undefined) facts.push(["Backlog", formatCount(device.backlog)]);
  facts.push(["Readings", formatCount(device.readings)], ["Gaps", formatCount(device.gaps)]);
  if (device.software) facts.push(["Software", device.software]);
  if (device.address) facts.push(["Address", device.address]);
  if (device.via) facts.push(["Via", device.via]);

  showFactList(byId("device-facts"), facts);
}
