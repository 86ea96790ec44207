/** A name in the parts between which it breaks on a phone: after a dot or an underscore, not within a word. */

export function Name({ text }: { text: string }) {
  const parts = text.match(/[^._/@-]*[._/@-]?/g)?.filter(Boolean) ?? [];
  return <bdi>{parts.map((part, i) => <span key={i} class="cm-part">{part}</span>)}</bdi>;
}
