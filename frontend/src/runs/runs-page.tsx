/** Runs of workflows, newest first: how each stands, how long it took, and what set that. */

import { changed, search as query } from "../address/links.ts";
import type { PageProps } from "../address/route.ts";
import { limits, rangeOf } from "../address/window.ts";
import { useAnswer } from "../answers/answer.ts";
import type { Run, Runs } from "../api/runs.ts";
import { Filters } from "../parts/filters.tsx";
import { Sheet } from "../parts/head.tsx";
import { Labels } from "../parts/labels.tsx";
import { limitOf, More } from "../parts/more.tsx";
import { RUN_COLUMNS } from "../parts/run-columns.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { RUN_STATES, runMark } from "../words/states.ts";

const WINDOW = "24h";
const FILTERS = [
  { name: "state", values: RUN_STATES.map((value) => ({ value, title: runMark(value).word })) },
  { name: "workflow", example: "exact name" },
  { name: "label", example: "key:value" },
  { name: "worker", example: "name@host" },
];

export function RunsPage({ search }: PageProps) {
  const given = new URLSearchParams(search);
  const filters = Object.fromEntries(FILTERS.map((f) => [f.name, given.get(f.name)]));
  const range = rangeOf(search, WINDOW);
  const asked = { ...filters, cursor: given.get("cursor"), limit: limitOf(search) };
  const path = () => `/runs${query({ ...asked, ...limits(range, new Date()) })}`;
  const view = useAnswer<Runs>(path, query({ ...asked, ...range }));
  return (
    <Sheet view={view} title="Runs" window={WINDOW}>
      {({ runs, next }) => (
        <>
          <Filters filters={FILTERS} />
          <RunsTable runs={runs} next={next} filtered={Object.values(filters).some(Boolean)} search={search} />
          <More next={next} />
        </>
      )}
    </Sheet>
  );
}

function RunsTable({ runs, next, filtered, search }: { runs: Run[]; next: string | null; filtered: boolean; search: string }) {
  const nothing = filtered ? (
    "No run of this kind is recorded in this time."
  ) : (
    <>
      No workflow has run in this time. Name one with <code>with workflow("…"):</code>, or publish a chain, group or chord; or{" "}
      <a class="cm-button" href={changed(search, { window: "30d", since: null, until: null, cursor: null })}>look at the last 30d</a>
    </>
  );
  return (
    <Table
      title="Newest first"
      nouns={["run"]}
      rows={runs}
      columns={[...RUN_COLUMNS, LABELS]}
      name={(r) => r.id}
      order={{ column: "started", descending: true }}
      empty={nothing}
      file="runs"
      main
      screenful={limitOf(search)}
    >
      {next && <span class="cm-muted">the newest; there are more</span>}
    </Table>
  );
}

const LABELS: Column<Run> = {
  id: "labels",
  title: "Labels",
  text: true,
  minor: 1,
  key: (r) => Object.entries(r.labels).map(([k, v]) => `${k}=${v}`).join(" "),
  cell: (r) => <Labels labels={r.labels} />,
};
