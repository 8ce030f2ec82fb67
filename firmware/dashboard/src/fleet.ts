/** The fleet's table: one row a device, refreshed in place. */
import type { Device } from "./api";
import { byId, element, setText, setTitle } from "./dom";
import { formatAge, formatCount, formatLocal, formatUtc } from "./format";
import { type Column, healthOf, ordered } from "./order";

/** From so many devices on, one wants to search. */
const kSearchFrom = 12;

export const deviceHash = (id: string): string => `#/device/${encodeURIComponent(id)}`;

class Row {
  readonly root = element("tr");
  private readonly link = element("a");
  private readonly state = element("span", "state");
  private readonly seen = element("time");
  private readonly backlog = element("td", "count");
  private readonly readings = element("td", "count");
  private readonly address = element("td", "wide");
  private readonly software = element("td", "wide");

  constructor(id: string) {
    this.link.href = deviceHash(id);
    this.link.textContent = id;
    const name = element("th");
    name.scope = "row";
    name.append(this.link);
    const state = element("td");
    state.append(this.state);
    const seen = element("td");
    seen.append(this.seen);
    this.root.append(name, state, seen, this.backlog, this.readings, this.address, this.software);
  }

  show(device: Device, now: number, opened: boolean): void {
    const health = healthOf(device);
    if (this.state.dataset.health !== health) this.state.dataset.health = health;
    setText(this.state, health);
    const seen = device.last_seen === undefined ? undefined : Date.parse(device.last_seen);
    // The hub itself, which is a device like others, sees itself always.
    const unseen = device.state === "online" ? "–" : "never";
    setText(this.seen, seen === undefined ? unseen : formatAge(seen, now));
    setTitle(this.seen, seen === undefined ? "" : `${formatLocal(seen, now)} · ${formatUtc(seen)}`);
    if (device.last_seen !== undefined) this.seen.dateTime = device.last_seen;
    setText(this.backlog, device.backlog === undefined ? "–" : formatCount(device.backlog));
    setText(this.readings, formatCount(device.readings));
    setText(this.address, device.address ?? "–");
    setText(this.software, device.software ?? "–");
    if (opened !== this.root.classList.contains("opened")) {
      this.root.classList.toggle("opened", opened);
      if (opened) this.link.setAttribute("aria-current", "true");
      else this.link.removeAttribute("aria-current");
    }
  }
}

export class FleetTable {
  private readonly rows = new Map<string, Row>();
  private readonly body = byId<HTMLTableSectionElement>("fleet-rows");
  private readonly search = byId<HTMLInputElement>("search");
  private column: Column = "state";
  private shown: { devices: readonly Device[]; column: Column; search: string; list: Device[] } | undefined;

  /** `reordered` is called when the reader chose another order or search. */
  constructor(reordered: () => void) {
    this.search.oninput = reordered;
    for (const button of document.querySelectorAll<HTMLButtonElement>("th button")) {
      button.onclick = () => {
        this.column = button.dataset.column as Column;
        for (const head of document.querySelectorAll("th[aria-sort]")) head.removeAttribute("aria-sort");
        button.parentElement!.setAttribute("aria-sort", this.column === "id" ? "ascending" : "descending");
        reordered();
      };
    }
    this.body.onclick = (event) => {
      const row = (event.target as Element).closest("tr");
      if (row && !getSelection()?.toString()) location.hash = row.querySelector("a")!.hash;
    };
  }

  /** The devices in the order in which they are shown. */
  show(devices: readonly Device[], now: number, opened: string | undefined): void {
    this.search.hidden = devices.length < kSearchFrom && this.search.value === "";
    const focused = document.activeElement;
    let next = this.body.firstElementChild;
    for (const device of this.select(devices)) {
      let row = this.rows.get(device.id);
      if (!row) {
        row = new Row(device.id);
        this.rows.set(device.id, row);
      }
      row.show(device, now, device.id === opened);
      if (row.root === next) next = next.nextElementSibling;
      else this.body.insertBefore(row.root, next);
    }
    while (next) {
      const gone = next;
      next = next.nextElementSibling;
      gone.remove();
    }
    // A row that moved lost the keyboard's focus.
    if (focused !== document.activeElement && this.body.contains(focused)) (focused as HTMLElement).focus();
    this.forget(devices);
  }

  /** Sorting a large fleet takes a while, so it is done only when something has changed. */
  private select(devices: readonly Device[]): Device[] {
    const search = this.search.value.trim().toLowerCase();
    const { column, shown } = this;
    if (shown?.devices !== devices || shown.column !== column || shown.search !== search) {
      const list = ordered(devices, column).filter((device) => device.id.toLowerCase().includes(search));
      this.shown = { devices, column, search, list };
    }
    return this.shown!.list;
  }

  private forget(devices: readonly Device[]): void {
    if (this.rows.size === devices.length) return;
    const known = new Set(devices.map((device) => device.id));
    for (const id of this.rows.keys()) if (!known.has(id)) this.rows.delete(id);
  }
}
