/** One question to the JSON API. */

import { base } from "../address/links.ts";
import type { ApiError } from "../api/basics.ts";
import { learn } from "../words/clock.ts";

const ANSWER_MS = 10_000;
export const NO_ANSWER: ApiError = { code: "no_answer", message: "Flower does not answer." };

/** `text` is what the answer was read from: the same text is the same answer. */
export type Outcome<T> = { answer: T; text: string; problem: null } | { answer: null; text: null; problem: ApiError };

/** Ask for a path below the API's root, query included; never throws. */
export async function ask<T>(path: string): Promise<Outcome<T>> {
  try {
    const reply = await fetch(`${base.home}/api/v1${path}`, {
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    learn(reply.headers.get("Date"), Date.now());
    const text = await reply.text();
    const body = JSON.parse(text) as T | { error: ApiError };
    const refused = typeof body === "object" && body !== null && "error" in body && !reply.ok;
    return refused ? { answer: null, text: null, problem: body.error } : { answer: body as T, text, problem: null };
  } catch {
    return { answer: null, text: null, problem: NO_ANSWER };
  }
}

/** Refusals that no repetition changes. */
export function isFinal(problem: ApiError): boolean {
  return problem.code === "unauthorized" || problem.code === "unknown_parameter" || problem.code.startsWith("bad_");
}
