/** A sentence about something whose name it begins with: a name written from right to left does not turn the sentence round. */

export function Told({ text, subject }: { text: string; subject: string | null }) {
  if (!subject || !text.startsWith(subject)) return <>{text}</>;
  return <><bdi>{subject}</bdi>{text.slice(subject.length)}</>;
}
