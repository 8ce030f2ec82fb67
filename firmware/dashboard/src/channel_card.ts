/** One channel of the opened device: its name, its current value, and a chart if it has numbers. */
import type { Channel } from "./api";
import { Chart } from "./chart";
import { element, setText, setTitle } from "./dom";
import { formatAge, formatClock, formatLocal, formatUtc, formatValue, plottable, toNumber, type Value } from "./format";
import { Series } from "./series";

export const kWindowMs = 10 * 60_000;
const kBucketMs = 500;

export class ChannelCard {
  readonly root = element("article", "card");
  /** Undefined until there is a value that tells what the channel carries. */
  kind: "chart" | "text" | undefined;
  visible = false;

  private readonly number = element("span", "number", "–");
  private readonly unit = element("span", "unit");
  private readonly when = element("time", "when");
  private readonly plot = element("div", "plot");
  private readonly series = new Series(kWindowMs, kBucketMs);
  private chart: Chart | undefined;
  private current: { value: Value; time: number | undefined } | undefined;
  private pointed = false;

  constructor(private readonly channel: Pick<Channel, "name" | "unit">) {
    const slash = channel.name.indexOf("/") + 1;
    const name = element("h3", "name");
    name.append(element("span", "driver", channel.name.slice(0, slash)), channel.name.slice(slash));
    name.title = channel.name;
    const value = element("p", "value");
    value.append(this.number, this.unit);
    const head = element("header", "card-head");
    head.append(name, this.when, value);
    this.root.append(head);
    this.root.dataset.channel = channel.name;
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", `${channel.name}, the last 10 minutes`);
  }

  /** A reading from any time. True: the chart has to be drawn again. */
  add(value: Value, time: number | undefined, now: number): boolean {
    if (plottable(value)) this.kind = "chart";
    else this.kind ??= "text";
    return time !== undefined && this.series.add(time, toNumber(value), now);
  }

  /** What the channel reads now. */
  setCurrent(value: Value, time: number | undefined): void {
    this.current = { value, time };
  }

  get hasCurrent(): boolean {
    return this.current !== undefined;
  }

  /** Writes the current value and its age, unless the pointer asks for an earlier one. */
  showCurrent(now: number): void {
    if (!this.current || this.pointed) return;
    const { value, time } = this.current;
    this.show(value);
    setText(this.when, time === undefined ? "time not known yet" : formatAge(time, now));
    setTitle(this.when, time === undefined ? "" : `${formatLocal(time, now)} · ${formatUtc(time)}`);
    if (time !== undefined) this.when.dateTime = new Date(time).toISOString();
  }

  /** `from`: where the time axis begins. */
  draw(from: number, now: number): void {
    this.series.trim(now);
    this.plot.dataset.points = String(this.series.size);
    if (this.kind !== "chart" || !this.visible) return;
    if (!this.chart) {
      this.root.append(this.plot);
      this.chart = new Chart(this.plot, {
        unit: this.channel.unit,
        boolean: typeof this.current?.value === "boolean",
        pointed: (time, at) => this.point(time, at),
      });
    }
    this.chart.resize(this.plot.clientWidth);
    this.chart.draw(this.series.columns(), from, now);
  }

  recolour(): void {
    this.chart?.recolour();
  }

  destroy(): void {
    this.chart?.destroy();
    this.root.remove();
  }

  private point(time: number | undefined, value: number | undefined): void {
    const was = this.pointed;
    this.pointed = time !== undefined && value !== undefined;
    this.root.classList.toggle("pointed", this.pointed);
    if (time !== undefined && value !== undefined) {
      this.show(typeof this.current?.value === "boolean" ? value !== 0 : value);
      setText(this.when, `at ${formatClock(time * 1000)}`);
      setTitle(this.when, formatUtc(time * 1000));
    } else if (was) {
      this.showCurrent(Date.now());
    }
  }

  private show(value: Value): void {
    const written = formatValue(value, this.channel.unit);
    setText(this.number, written.text);
    setText(this.unit, written.unit);
    setTitle(this.number, typeof value === "object" ? Object.values(value).join() : String(value));
  }
}
