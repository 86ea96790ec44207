/** Opens a run or an execution by its id, and what has a name by its name; "/" puts the cursor there. */

import { useEffect, useRef, useState } from "preact/hooks";
import { execution, executions, failure, search } from "../address/links.ts";
import { go } from "../address/location.ts";
import { ask } from "../answers/ask.ts";
import type { Execution, Executions } from "../api/runs.ts";
import type { Summary } from "../api/summary.ts";
import type { Hosts, Workers } from "../api/workers.ts";
import { byName, type Named, names, ofRun } from "./find.ts";
import { isTyping } from "./typing.ts";

const OFFERED = 200; // names in the list; a browser draws no more at once

export function Search() {
  const [known, setKnown] = useState<Named[]>([]);
  const [missed, setMissed] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const from = useRef<Element | null>(null); // had the keyboard before

  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      if (event.key !== "/" || isTyping(event)) return;
      event.preventDefault();
      from.current = document.activeElement;
      field.current?.focus();
    };
    addEventListener("keydown", slash);
    return () => removeEventListener("keydown", slash);
  }, []);

  async function learn(): Promise<Named[]> {
    if (known.length) return known;
    const [{ answer }, hosts] = await Promise.all([ask<Summary>("/summary?window=24h"), ask<Hosts>("/hosts")]);
    const found = answer ? names(answer, [], hosts.answer?.hosts) : [];
    setKnown(found);
    return found;
  }

  /** Names of what was last seen longer ago, which the list leaves out. */
  async function older(): Promise<Named[]> {
    const [summary, workers] = await Promise.all([ask<Summary>("/summary?window=92d"), ask<Workers>("/workers?window=92d")]);
    return summary.answer ? names(summary.answer, workers.answer?.workers) : [];
  }

  async function byFingerprint(text: string): Promise<string | null> {
    if (!/^[0-9a-f]{16}$/.test(text)) return null;
    const { answer } = await ask<Executions>(`/executions${search({ fingerprint: text, limit: 1 })}`);
    return answer?.executions.length ? failure(text) : null;
  }

  async function byId(id: string): Promise<string | null> {
    const members = await ask<Executions>(`/executions${search({ run: id, limit: 2 })}`);
    const address = ofRun(id, members.answer?.executions ?? []);
    if (address) return address;
    const { answer } = await ask<Execution>(`/executions/${encodeURIComponent(id)}`);
    return answer && execution(answer.id);
  }

  async function find(text: string): Promise<void> {
    setBusy(true);
    const all = await learn();
    const exact = all.filter((n) => n.name === text);
    const address = byName(text, exact) ?? byName(text, all) ?? (await byFingerprint(text)) ?? byName(text, await older()) ?? (await byId(text));
    setBusy(false);
    setMissed(address ? null : text);
    if (!address) return;
    if (field.current) field.current.value = "";
    go(address);
  }

  return (
    <form
      class="cm-search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const text = field.current?.value.trim();
        if (text && !busy) void find(text);
      }}
    >
      <input
        ref={field}
        type="search"
        list="cm-names"
        placeholder="id or name  ( / )"
        aria-label="Find a run or an execution by id, a failure by its fingerprint, a task, workflow, queue, worker or host by name"
        maxLength={500}
        onFocus={() => void learn()}
        onInput={() => setMissed(null)}
        onKeyDown={(e) => {
          if (e.key !== "Escape") return;
          const place = from.current;
          e.currentTarget.blur();
          if (place?.isConnected) (place as HTMLElement).focus();
        }}
        onBlur={() => (from.current = null)}
      />
      <datalist id="cm-names">
        {known.slice(0, OFFERED).map((n) => <option key={n.name} value={n.name}>{n.kind}</option>)}
      </datalist>
      {missed !== null && (
        <p class="cm-missed" role="status">
          Nothing by this id or name. <a href={executions({ task: missed })} onClick={() => setMissed(null)}>Look for a task of this name</a>
        </p>
      )}
    </form>
  );
}
