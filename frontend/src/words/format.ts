/** Numbers and times as people read them: unit always, three significant digits, a dash for what is not known. */

import type { Num } from "../api/basics.ts";
import { isUtc } from "./zone.ts";

export const UNKNOWN = "–";
const THIN = "\u202f"; // narrow no-break space: between thousands, between number and unit

/** Whole numbers with thousands apart: 1 240. */
export function count(n: Num | undefined): string {
  if (n == null) return UNKNOWN;
  const text = String(Math.round(Math.abs(n))).replace(/\B(?=(\d{3})+$)/g, THIN);
  return (n < 0 ? "−" : "") + text;
}

/** Three significant digits, thousands apart; never an exponent. */
export function digits(n: number): string {
  const size = Math.abs(n);
  if (size >= 999.5) return count(n);
  const places = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  const text = n.toFixed(places);
  return (places ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
}

/** Seconds as 412 ms, 3.2 s, 4 m 10 s, 2 h 5 m, 3 d 4 h. */
export function duration(seconds: Num | undefined): string {
  if (seconds == null) return UNKNOWN;
  if (seconds < 0) return "−" + duration(-seconds);
  if (seconds === 0) return `0${THIN}s`;
  if (seconds < 0.0000095) return `<${THIN}10${THIN}µs`;
  if (seconds < 0.0009995) return `${digits(seconds * 1e6)}${THIN}µs`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3)}${THIN}ms`;
  if (seconds < 59.95) return `${digits(seconds)}${THIN}s`;
  return twoUnits(Math.round(seconds));
}

function twoUnits(seconds: number): string {
  if (seconds < 3600) return pair(Math.floor(seconds / 60), "m", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return pair(Math.floor(minutes / 60), "h", minutes % 60, "m");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

function pair(major: number, majorUnit: string, minor: number, minorUnit: string): string {
  const head = `${count(major)}${THIN}${majorUnit}`;
  return minor ? `${head} ${minor}${THIN}${minorUnit}` : head;
}

/** Which traffic of a task is counted, wherever its figure stands. */
export const NETWORK_SEEN = "by Python's sockets; what a C library (libpq, gRPC, …) moves is not seen, Celery's own is left out";

/** Bytes in binary units: 512 MiB, 1.9 GiB. */
export function bytes(n: Num | undefined): string {
  if (n == null) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = n;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${digits(value)}${THIN}${units[unit]}`;
}

/** Per second above 100, per minute above 1/60, per hour below. */
export function rate(perSecond: Num | undefined): string {
  const { value, unit } = rateParts(perSecond);
  return unit ? `${value}${THIN}${unit}` : value;
}

/** As `rate`, with the unit apart. */
export function rateParts(perSecond: Num | undefined): { value: string; unit: string } {
  if (perSecond == null) return { value: UNKNOWN, unit: "" };
  if (perSecond >= 100) return { value: digits(perSecond), unit: "/s" };
  if (perSecond * 60 >= 1 || perSecond === 0) return { value: digits(perSecond * 60), unit: "/min" };
  return { value: digits(perSecond * 3600), unit: "/h" };
}

/** A share as per cent; tiny shares say so and never round to 0 or 100 %. */
export function percent(ratio: Num | undefined): string {
  if (ratio == null) return UNKNOWN;
  const value = ratio * 100;
  if (value > 0 && value < 0.01) return `<${THIN}0.01${THIN}%`;
  if (value < 100 && value > 99.99) return `>${THIN}99.99${THIN}%`;
  return `${value >= 99 && value < 100 ? value.toFixed(2).replace(/\.?0+$/, "") : digits(value)}${THIN}%`;
}

/** Clock time in the reader's zone: 12:00:03, with the day when it is another one. */
export function clock(iso: string | null | undefined, now: Date): string {
  const at = iso ? new Date(iso) : null;
  if (!at || Number.isNaN(at.getTime())) return UNKNOWN;
  const time = isUtc()
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const text = time.map(two).join(":");
  return day(at) === day(now) ? text : `${day(at)} ${text}`;
}

/** 2026-11-20 in the reader's zone. */
export function day(at: Date): string {
  const date = isUtc()
    ? [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()]
    : [at.getFullYear(), at.getMonth() + 1, at.getDate()];
  return date.map(two).join("-");
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** How long ago, in seconds; never below 0, because browser and server clocks differ. */
export function age(iso: string | null | undefined, now: Date): Num {
  const at = iso ? Date.parse(iso) : NaN;
  return Number.isNaN(at) ? null : Math.max(0, (now.getTime() - at) / 1000);
}

/** How long ago, in words: 5 s ago. */
export function ago(iso: string | null | undefined, now: Date): string {
  const seconds = age(iso, now);
  return seconds == null ? UNKNOWN : `${duration(Math.round(seconds))} ago`;
}

/** A window as people name it: "15 m", "1 h", "24 h", "7 d". */
export function span(seconds: number): string {
  const hours = seconds / 3600;
  return Number.isInteger(hours) && hours <= 48 ? `${hours}${THIN}h` : duration(seconds);
}

/** One word in the number it needs: 1 task, 2 tasks. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)}${THIN}${n === 1 ? one : many}`;
}
