/** How numbers, values and times are written. Pure: the present comes in as a parameter. */

/** What the interfaces send as a value. */
export type Value = number | boolean | string | { base64: string } | { double: string };

/** Of one kind a channel is drawn, of the other it is only told. */
export function plottable(value: Value): boolean {
  return typeof value === "number" || typeof value === "boolean" || (typeof value === "object" && "double" in value);
}

/** The number to draw; NaN where there is none. JSON has no word for infinities, nor has a chart a place for them. */
export function toNumber(value: Value): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return NaN;
}

const kThinSpace = "\u202f";
const kBinaryPrefixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

function group(digits: string): string {
  return digits.length < 5 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, kThinSpace);
}

/** At most `digits` significant ones, without trailing zeros; whole numbers stay whole up to 15 digits. */
export function formatNumber(value: number, digits = 6): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value < 0 ? "−∞" : "∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size < 1e-4 || size >= 1e15) {
    const [mantissa = "", exponent = ""] = size.toExponential(digits - 1).split("e");
    return `${sign}${String(Number(mantissa))}e${exponent.replace("+", "")}`;
  }
  if (Number.isInteger(size) || size >= 10 ** (digits - 1)) return sign + group(String(Math.round(size)));
  const [whole = "0", fraction] = String(Number(size.toPrecision(digits))).split(".");
  return sign + group(whole) + (fraction ? `.${fraction}` : "");
}

export interface Scale {
  divisor: number;
  unit: string;
}

/** Bytes are told in KiB, MiB …; everything else as it was sent. */
export function scaleFor(size: number, unit: string): Scale {
  if (unit !== "B" && unit !== "B/s") return { divisor: 1, unit };
  let power = 0;
  for (let rest = Math.abs(size); rest >= 1024 && power < kBinaryPrefixes.length - 1; rest /= 1024) power += 1;
  return { divisor: 1024 ** power, unit: `${kBinaryPrefixes[power]}${unit}` };
}

export function formatValue(value: Value, unit: string): { text: string; unit: string } {
  if (typeof value === "number") {
    const scale = scaleFor(value, unit);
    return { text: formatNumber(value / scale.divisor, scale.divisor > 1 ? 4 : 6), unit: scale.unit };
  }
  if (typeof value === "boolean") return { text: value ? "on" : "off", unit };
  if (typeof value === "string") return { text: value, unit };
  if ("double" in value) {
    return { text: value.double.startsWith("-") ? "−∞" : value.double === "NaN" ? "NaN" : "∞", unit };
  }
  const size = Math.floor((value.base64.replace(/=+$/, "").length * 3) / 4);
  return { text: size === 1 ? "1 byte" : `${size} bytes`, unit };
}

export function formatCount(count: number): string {
  return group(String(count));
}

/** "now", "3 s ago", "2 min ago" … A clock that is a little ahead of ours is not worth a word. */
export function formatAge(time: number, now: number): string {
  const seconds = Math.round((now - time) / 1000);
  if (seconds < -60) return "in the future";
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

const two = (n: number): string => String(n).padStart(2, "0");

export function formatClock(time: number): string {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Local time: the hour alone if it was today, else with the date. */
export function formatLocal(time: number, now: number): string {
  const date = new Date(time);
  if (date.toDateString() === new Date(now).toDateString()) return formatClock(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatClock(time)}`;
}

export function formatUtc(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/**
 * Labels for the marks of an axis: all in one scale, with just the decimals that tell neighbours apart.
 * `marks` rise evenly.
 */
export function tickLabels(marks: readonly number[], unit: string): string[] {
  const size = Math.max(...marks.map(Math.abs), 0);
  let { divisor, unit: suffix } = scaleFor(size, unit);
  if (unit === "B" || unit === "B/s") {
    suffix = suffix.slice(0, suffix.indexOf("B"));
  } else {
    [divisor, suffix] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  }
  const step = marks.length > 1 ? Math.abs(marks[1]! - marks[0]!) / divisor : 1;
  const decimals = Math.min(12, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9) + 1));
  const written = marks.map((mark) => String(Number((Math.abs(mark) / divisor).toFixed(decimals))));
  const needed = Math.max(0, ...written.map((text) => text.split(".")[1]?.length ?? 0));
  if (needed > 3 && divisor > 1) {
    // Neighbours that differ in their fifth digit are told as steps from the lowest.
    const [lowest = 0, ...others] = marks;
    const steps = tickLabels(others.map((mark) => mark - lowest), unit);
    return [`${lowest < 0 ? "−" : ""}${formatNumber(Math.abs(lowest) / divisor, 4)}${suffix}`, ...steps.map((step) => `+${step}`)];
  }
  return marks.map((mark) => {
    const text = (Math.abs(mark) / divisor).toFixed(needed);
    if (Number(text) === 0) return "0";
    return `${mark < 0 ? "−" : ""}${text}${suffix}`;
  });
}
