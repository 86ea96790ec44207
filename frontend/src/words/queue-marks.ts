/** How bad a queue is: as the alert that fires for it says, the same on every page. */

import type { Num, State } from "../api/basics.ts";
import { type Mark, mark } from "./marks.ts";

interface Told {
  state: State;
  backlog: Num;
  consumers: Num;
  broker_consumers?: Num;
}

type Consumed = Pick<Told, "consumers" | "broker_consumers">;

/** Whether nobody takes from it; a broker that counts consumers knows of workers without a Monitor, too. */
export function isUnconsumed(row: Consumed): boolean {
  return row.consumers === 0 && !row.broker_consumers;
}

/** Whether something waits in it that no worker takes. */
export function isUnserved(row: Consumed & Pick<Told, "backlog">): boolean {
  return (row.backlog ?? 0) > 0 && isUnconsumed(row);
}

/** As severe as the alert that fires, a warning where none does or where it is not known. */
export function alertedMark(state: State | undefined, word: string): Mark {
  const { shape, tone } = mark(state === "critical" ? state : "warning");
  return { shape, word, tone };
}

export function unservedMark(state?: State): Mark {
  return alertedMark(state, "nobody takes");
}

/** What all pages can tell of a queue; those of the queues know more. */
export function queueMark(row: Told): Mark {
  return isUnserved(row) ? unservedMark(row.state) : mark(row.state);
}
