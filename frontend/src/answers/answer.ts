/** An answer of the API that is kept fresh while somebody looks, and the reason when it is not. */

import { useContext, useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/basics.ts";
import { type Answered, ask, isFinal } from "./ask.ts";
import type { Link } from "./feed.ts";
import { Refresh, SLOW_MS } from "./refresh.ts";

/** What takes the server long is asked for less often: the pause is so many times as long as the answer took. */
const PAUSES = 5;

export interface View<T> {
  answer: T | null;
  /** When `answer` came, null before the first. */
  at: Date | null;
  /** Why the last attempt brought nothing; what is shown is older then. */
  problem: ApiError | null;
  link: Link;
}

/**
 * Ask for a path again and again, only while the page is seen and not paused.
 * @param path below the API's root with its query; null asks nothing. A function is called for every question: a
 *   window that ends now begins later each time
 * @param key what makes it another question; the last answer stays until the first of the new one is there
 * @param everyMs pause between an answer and the next question; 0 asks once
 */
export function useAnswer<T>(path: string | null | (() => string), key: string | null, everyMs = 5_000): View<T> {
  const { pace } = useContext(Refresh);
  const paused = pace === "off";
  const [view, setView] = useState<Omit<View<T>, "at">>({ answer: null, problem: null, link: "connecting" });
  const last = useRef<{ outcome: Answered<T> | null; at: Date | null }>({ outcome: null, at: null });
  const question = useRef(path);
  const asked = useRef<string | null>(null);
  question.current = path;

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let round = 0; // answers to a question that is not asked any more are not shown
    const once = async () => {
      const mine = ++round;
      clearTimeout(timer);
      const now = question.current;
      if (now === null) return;
      const began = performance.now();
      const outcome = await ask<T>(typeof now === "function" ? now() : now, last.current.outcome);
      const tookMs = performance.now() - began;
      if (mine !== round) return;
      const { problem } = outcome;
      if (problem) setView((old) => ({ ...old, problem, link: "polling" }));
      else {
        const same = outcome.text === last.current.outcome?.text;
        last.current = { outcome, at: new Date() };
        // The same answer is not drawn again: a run of hundreds of rows stands still for the price of a question.
        setView((old) => (same && !old.problem && old.link === "live" ? old : { answer: same ? old.answer : outcome.answer, problem: null, link: "live" }));
      }
      asked.current = key;
      const pauseMs = Math.max(everyMs, Math.min(PAUSES * tookMs, SLOW_MS), pace === "slow" ? SLOW_MS : 0);
      if (everyMs && !paused && !(problem && isFinal(problem))) timer = setTimeout(once, pauseMs);
    };
    const look = () => {
      const still = document.hidden || (paused && asked.current === key);
      if (!still) void once();
      else {
        round += 1;
        clearTimeout(timer);
      }
      if (paused) setView((old) => ({ ...old, link: "paused" }));
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      round += 1;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [key, everyMs, pace]);

  return { ...view, at: last.current.at, link: paused && asked.current === key ? "paused" : view.link };
}
