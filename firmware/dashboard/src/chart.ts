/** One channel's line over the last minutes, drawn by uPlot. */
import uPlot from "uplot";
import { formatClock, tickLabels } from "./format";

const kHeight = 128;
const kBinarySteps = Array.from({ length: 60 }, (_, power) => 2 ** power);
const kFont = "11px system-ui, sans-serif";

export interface ChartOptions {
  unit: string;
  boolean: boolean;
  /** The reading beneath the pointer, of this chart or of its neighbours; undefined when the pointer has left. */
  pointed(time: number | undefined, value: number | undefined): void;
}

export class Chart {
  private plot: uPlot;
  private range: [number, number] = [0, 1];

  constructor(
    private readonly target: HTMLElement,
    private readonly options: ChartOptions,
  ) {
    this.plot = this.make([[], []]);
  }

  /** Shows what lies between the two times, in milliseconds. */
  draw(columns: [number[], (number | null)[]], from: number, to: number): void {
    this.range = [from / 1000, to / 1000];
    this.plot.setData(columns);
  }

  resize(width: number): void {
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: kHeight });
  }

  /** Takes the colours of the page again: they follow the system's choice of dark or light. */
  recolour(): void {
    const data = this.plot.data;
    this.plot.destroy();
    this.plot = this.make(data);
  }

  destroy(): void {
    this.plot.destroy();
  }

  private make(data: uPlot.AlignedData): uPlot {
    const style = getComputedStyle(this.target);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const { unit, boolean, pointed } = this.options;
    const grid = { stroke: colour("--grid"), width: 1 };
    const axis = { stroke: colour("--muted"), font: kFont, ticks: { show: false }, grid };
    const yAxis: uPlot.Axis = {
      ...axis,
      gap: 6,
      space: 30,
      size: (_plot, labels) => 14 + 6.5 * Math.max(3, ...(labels ?? []).map((label) => label.length)),
      values: (_plot, marks) => (boolean ? marks.map((mark) => (mark ? "on" : "off")) : tickLabels(marks, unit)),
    };
    if (boolean) yAxis.splits = () => [0, 1];
    if (unit === "B" || unit === "B/s") Object.assign(yAxis, { incrs: kBinarySteps, space: 20 });
    const line: uPlot.Series = {
      stroke: colour("--accent"),
      fill: colour("--accent-fill"),
      width: 1.5,
      pxAlign: 0, // else a slow change looks like stairs
      points: { size: 4, fill: colour("--accent") },
    };
    if (boolean) line.paths = uPlot.paths.stepped!({ align: 1 });
    return new uPlot(
      {
        width: Math.max(200, this.target.clientWidth),
        height: kHeight,
        padding: [10, 8, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, sync: { key: "channels" }, points: { size: 8 } },
        scales: {
          x: { range: () => this.range },
          y: { range: (_plot, low, high) => (boolean ? [-0.1, 1.1] : padded(low, high)) },
        },
        axes: [
          { ...axis, size: 22, gap: 4, space: 70, values: (_plot, marks) => marks.map(hourAndMinute) },
          yAxis,
        ],
        series: [{}, line],
        hooks: {
          setCursor: [
            (plot) => {
              const at = plot.cursor.idx;
              const [times, values] = plot.data;
              if (at === null || at === undefined || plot.cursor.left! < 0) pointed(undefined, undefined);
              else pointed(times[at], values?.[at] ?? undefined);
            },
          ],
        },
      },
      data,
      this.target,
    );
  }
}

const hourAndMinute = (seconds: number): string => formatClock(seconds * 1000).slice(0, 5);

/** Some room above and below the line; none below zero for what is never negative. */
function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const room = high > low ? (high - low) * 0.12 : Math.abs(high) * 0.05 || 1;
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}
