/** How often pages ask anew; the reader's choice, which stays from page to page. */

import { createContext } from "preact";

/** As fast as a page can, every half minute, or not at all. */
export type Pace = "live" | "slow" | "off";

export const SLOW_MS = 30_000;

export const Refresh = createContext<{ pace: Pace; choose: (pace: Pace) => void }>({ pace: "live", choose: () => {} });
