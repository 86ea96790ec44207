/** The server's time: browsers' clocks are wrong now and then, and a running bar would end before it began. */

const TOLERATED_MS = 2_000; // the header counts whole seconds, and an answer takes its time

let skewMs = 0;

/** Learn from an answer's `Date` header. */
export function learn(header: string | null, nowMs: number): void {
  const server = header ? Date.parse(header) : NaN;
  if (Number.isNaN(server)) return;
  skewMs = Math.abs(server - nowMs) > TOLERATED_MS ? server - nowMs : 0;
}

export function serverNow(): Date {
  return new Date(Date.now() + skewMs);
}
