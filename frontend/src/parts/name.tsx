/** A name that is too long for its line breaks after a dot or an underscore, not within a word. */

export function Name({ text }: { text: string }) {
  const parts = text.match(/[^._/@-]*[._/@-]?/g) ?? [];
  return <>{parts.map((part, i) => <>{i > 0 && <wbr />}{part}</>)}</>;
}
