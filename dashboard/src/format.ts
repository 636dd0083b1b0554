// Numbers, times and sizes as text. Always the same width class, so that columns do not jump.

import type { PoolColumn } from "./document";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const ABSENT = "–";

/** A count: 12,345; from ten million on 12.3 M. */
export function count(value: number | null | undefined): string {
  if (value == null) return ABSENT;
  if (Math.abs(value) >= 1e10) return `${tenth.format(value / 1e9)} G`;
  if (Math.abs(value) >= 1e7) return `${tenth.format(value / 1e6)} M`;
  return whole.format(value);
}

/** A rate: with a tenth while it is small. */
export function rate(value: number | null | undefined): string {
  if (value == null) return ABSENT;
  return value > 0 && value < 10 ? tenth.format(value) : count(value);
}

/** Milliseconds, in the unit a person would say. */
export function duration(ms: number | null | undefined): string {
  if (ms == null) return ABSENT;
  if (ms === 0) return "0 ms";
  if (ms < 0.1) return "< 0.1 ms";
  if (ms < 9.95) return `${tenth.format(ms)} ms`;
  if (ms < 999.5) return `${whole.format(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${tenth.format(seconds)} s`;
  return span(seconds);
}

/** Seconds, in its two largest units. */
export function span(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return s % 60 ? `${minutes} min ${s % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** What is at `column.field` of this, as its unit wants it. */
export function figure(of: object, column: PoolColumn): string {
  let at: unknown = of;
  for (const name of column.field.split(".")) at = (at as Record<string, unknown> | null | undefined)?.[name];
  const value = typeof at === "number" ? at : null;
  switch (column.unit) {
    case "rate":
      return rate(value);
    case "milliseconds":
      return duration(value);
    case "count":
      return count(value);
  }
}

/** Bytes, in powers of 1024. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit > 0 && size < 10 ? tenth.format(size) : whole.format(size)} ${units[unit]}`;
}

const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** A moment of the wall clock here; with its day unless that is today. */
export function moment(at: string | number, now: number = Date.now()): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return ABSENT;
  const today = new Date(now).toDateString() === date.toDateString();
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** `1 client waits`, `2 clients wait`. */
export function clientsWait(waiting: number): string {
  return waiting === 1 ? "1 client waits" : `${count(waiting)} clients wait`;
}

export function plural(many: number, one: string, more = `${one}s`): string {
  return `${count(many)} ${many === 1 ? one : more}`;
}
