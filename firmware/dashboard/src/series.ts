/**
 * The recent past of one channel, in bounded memory: time is cut into buckets, and of each bucket the smallest and
 * the largest value stay. Up to two readings a bucket everything is kept exactly; above that the outline is.
 *
 * Adding a reading that is there already changes nothing, so history and live feed may overlap, and late readings
 * find their place.
 */
interface Bucket {
  index: number;
  low: Point;
  high: Point;
}

interface Point {
  time: number;
  value: number;
}

const kAheadMs = 60_000;
const kShortestSilenceMs = 10_000;
const kSilenceFactor = 8;

export class Series {
  private buckets: Bucket[] = [];

  /** Times are in milliseconds. Holds at most two points a bucket, of `windowMs` and the minute ahead of it. */
  constructor(
    private readonly windowMs: number,
    private readonly bucketMs: number,
  ) {}

  /** False: nothing changed, since it is no number, is older than the window, or adds nothing to its bucket. */
  add(time: number, value: number, now: number): boolean {
    if (!Number.isFinite(value) || !Number.isFinite(time)) return false;
    // What a wrong clock dates far ahead would stay for long, unseen.
    if (time < now - this.windowMs || time > now + kAheadMs) return false;
    const index = Math.floor(time / this.bucketMs);
    const at = this.position(index);
    const bucket = this.buckets[at];
    const point = { time, value };
    if (!bucket || bucket.index !== index) {
      this.buckets.splice(at, 0, { index, low: point, high: point });
      this.trim(now);
      return true;
    }
    if (value < bucket.low.value) bucket.low = point;
    else if (value > bucket.high.value) bucket.high = point;
    else return false;
    return true;
  }

  /** Forgets what has left the window. */
  trim(now: number): void {
    const first = this.position(Math.floor((now - this.windowMs) / this.bucketMs));
    if (first > 0) this.buckets.splice(0, first);
  }

  get size(): number {
    return this.buckets.reduce((count, { low, high }) => count + (low === high ? 1 : 2), 0);
  }

  /**
   * Times in seconds and values, rising in time, as uPlot takes them. Null breaks the line where the channel was
   * silent far longer than it is used to: a line drawn across would claim what nobody measured.
   */
  columns(): [number[], (number | null)[]] {
    const times: number[] = [];
    const values: (number | null)[] = [];
    const push = (point: Point): void => {
      times.push(point.time / 1000);
      values.push(point.value);
    };
    const silence = this.silenceBuckets();
    let before = this.buckets[0]?.index ?? 0;
    for (const { index, low, high } of this.buckets) {
      if (index - before > silence) {
        times.push(((before + index + 1) / 2) * (this.bucketMs / 1000));
        values.push(null);
      }
      before = index;
      if (low === high) {
        push(low);
      } else if (low.time <= high.time) {
        push(low);
        push(high);
      } else {
        push(high);
        push(low);
      }
    }
    return [times, values];
  }

  private silenceBuckets(): number {
    const steps = this.buckets.slice(1).map((bucket, at) => bucket.index - this.buckets[at]!.index);
    const usual = steps.sort((a, b) => a - b)[steps.length >> 1] ?? 1;
    return Math.max(kShortestSilenceMs / this.bucketMs, kSilenceFactor * usual);
  }

  /** Where the first bucket is whose index is not below `index`. New readings mostly belong at the end. */
  private position(index: number): number {
    let low = 0;
    let high = this.buckets.length;
    const last = this.buckets[high - 1];
    if (!last || last.index < index) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.buckets[middle]!.index < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
