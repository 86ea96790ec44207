/** Keys that are letters of a text, or of the browser's own, are no commands of ours. */

export function isTyping(event: KeyboardEvent): boolean {
  return event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).closest("input, textarea, select") !== null;
}
