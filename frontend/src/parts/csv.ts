/** Rows of a table as a file: CSV as RFC 4180 has it. */

export type Value = string | number | boolean | null | undefined;

/** A head and rows; numbers as they are, unknown ones empty. */
export function csv(head: readonly string[], rows: readonly (readonly Value[])[]): string {
  return [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value: Value): string {
  if (value == null) return "";
  if (typeof value !== "string") return String(value);
  // Spreadsheets run text that begins like a formula; a task may be named so by whoever publishes it.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
