/** The filters of a list: each stands in the address, and what is set can be taken off. */

import { useEffect, useRef } from "preact/hooks";
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
    <div class="cm-filters" role="group" aria-label="Filters" tabIndex={-1}>
      {filters.map((f) => (
        <label key={f.name} class={query.get(f.name) ? "cm-set" : ""}>
          <span>{f.name}</span>
          {f.values ? (
            <select aria-label={f.name} value={query.get(f.name) ?? ""} onChange={(e) => choose(f.name, e.currentTarget.value)}>
              <option value="">any</option>
              {f.values.map((v) => <option key={v.value} value={v.value}>{v.title}</option>)}
            </select>
          ) : (
            <Text filter={f} value={query.get(f.name) ?? ""} choose={choose} />
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

function Text({ filter, value, choose }: { filter: Filter; value: string; choose: (name: string, value: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Another address brings another value; what is being typed stays until then, and the field is the same.
    if (field.current) field.current.value = value;
  }, [value]);
  return (
    <input
      ref={field}
      type="search"
      aria-label={filter.name}
      placeholder={filter.example ?? "any"}
      maxLength={500}
      onChange={(e) => choose(filter.name, e.currentTarget.value)}
    />
  );
}
