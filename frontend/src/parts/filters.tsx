/** The filters of a list: each stands in the address, and what is set can be taken off. */

import { changed } from "../address/links.ts";
import { go, useAddress } from "../address/location.ts";

export interface Filter {
  /** Parameter of the address and of the API. */
  name: string;
  /** Values to choose from; any text without. */
  values?: readonly { value: string; title: string }[];
  /** What the API wants, by example. */
  example?: string;
}

export function Filters({ filters }: { filters: readonly Filter[] }) {
  const { search } = useAddress();
  const query = new URLSearchParams(search);
  const choose = (name: string, value: string) => go(changed(search, { [name]: value.trim(), cursor: null }));
  const set = filters.some((f) => query.get(f.name));
  return (
    <div class="cm-filters" role="group" aria-label="Filters">
      {filters.map((f) => (
        <label key={f.name} class={query.get(f.name) ? "cm-set" : ""}>
          <span>{f.name}</span>
          {f.values ? (
            <select aria-label={f.name} value={query.get(f.name) ?? ""} onChange={(e) => choose(f.name, e.currentTarget.value)}>
              <option value="">any</option>
              {f.values.map((v) => <option key={v.value} value={v.value}>{v.title}</option>)}
            </select>
          ) : (
            <input
              // Another address brings another field: what was typed into the old one is not its value.
              key={query.get(f.name) ?? ""}
              type="search"
              aria-label={f.name}
              defaultValue={query.get(f.name) ?? ""}
              placeholder={f.example ?? "any"}
              maxLength={500}
              onChange={(e) => choose(f.name, e.currentTarget.value)}
            />
          )}
        </label>
      ))}
      {set && (
        <a class="cm-button" href={changed(search, { ...Object.fromEntries(filters.map((f) => [f.name, null])), cursor: null })}>
          Clear
        </a>
      )}
    </div>
  );
}
