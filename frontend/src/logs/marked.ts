/** Texts of log records: what of them was searched for. */

export interface Part {
  text: string;
  hit: boolean;
}

const MOST = 50; // hits in one text; a letter that is everywhere needs no marks

/** The text in parts, those that were searched for among them. */
export function marked(text: string, wanted: string): Part[] {
  const found: Part[] = [];
  const [lower, sought] = [text.toLowerCase(), wanted.toLowerCase()];
  // Letters like İ are longer in small: places would not be those of the text.
  if (!sought || lower.length !== text.length) return [{ text, hit: false }];
  let from = 0;
  for (let at = lower.indexOf(sought); at >= 0 && found.length < MOST * 2; at = lower.indexOf(sought, from)) {
    if (at > from) found.push({ text: text.slice(from, at), hit: false });
    from = at + sought.length;
    found.push({ text: text.slice(at, from), hit: true });
  }
  if (from < text.length) found.push({ text: text.slice(from), hit: false });
  return found;
}
