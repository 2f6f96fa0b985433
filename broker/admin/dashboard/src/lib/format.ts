// Numbers and times as people read them. Pure.

const NOTHING = "–";

function trimmed(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2).replace(/\.?0+$/, "");
}

function scaled(value: number, base: number, units: string[]): string {
  let rest = value;
  let unit = 0;
  // What would be rounded to the next unit is shown in it.
  while (rest >= base - 0.5 && unit < units.length - 1) {
    rest /= base;
    unit += 1;
  }
  return `${trimmed(rest)}${units[unit]}`;
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : Math.round(value).toLocaleString("en");
}

// 1234 -> "1.23k"; for charts and tiles.
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  if (value < 10_000) return count(value);
  return scaled(value, 1000, ["", "k", "M", "G", "T"]);
}

export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  return value > 0 && value < 10 ? trimmed(value) : short(value);
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
}

// Seconds, from microseconds up.
export function latency(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds >= 1) return `${trimmed(seconds)} s`;
  return seconds >= 0.001 ? `${trimmed(seconds * 1e3)} ms` : `${trimmed(seconds * 1e6)} µs`;
}

// 93784 -> "1d 2h": the two largest units.
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NOTHING;
  const units: [string, number][] = [["d", 86_400], ["h", 3_600], ["m", 60], ["s", 1]];
  let rest = Math.max(0, Math.floor(seconds));
  const parts: string[] = [];
  for (const [name, size] of units) {
    const many = Math.floor(rest / size);
    rest -= many * size;
    if (many > 0 || (name === "s" && parts.length === 0)) parts.push(`${many}${name}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

// 4294967295 seconds is how MQTT says never.
export function expiry(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || seconds >= 0xffffffff) return "never";
  return seconds === 0 ? "when it disconnects" : `after ${duration(seconds)}`;
}

const two = (value: number) => String(value).padStart(2, "0");

// As the reader's clock has it; with the date when that is not today.
export function moment(text: string | null | undefined, now = new Date()): string {
  if (!text) return NOTHING;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  if (time.toDateString() === now.toDateString()) return clock;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}

export function plural(many: number, one: string, more = `${one}s`): string {
  return `${count(many)} ${many === 1 ? one : more}`;
}
