/** What a log record carries beside its message, in few words. */

const BRIEF = 120; // characters that stand beside a message

/** Names and values of a record's extra in one line; null when they are too many for it. */
export function inline(extra: unknown): string | null {
  if (typeof extra !== "object" || extra === null || Array.isArray(extra)) return null;
  const pairs = Object.entries(extra).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const text = pairs.join(" ");
  return text.length > BRIEF || text.includes("\n") ? null : text;
}
