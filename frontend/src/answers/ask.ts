/** One question to the JSON API. */

import { base } from "../address/links.ts";
import type { ApiError } from "../api/basics.ts";
import { learn } from "../words/clock.ts";

const ANSWER_MS = 10_000;
export const NO_ANSWER: ApiError = { code: "no_answer", message: "Flower does not answer." };

/** `text` is what the answer was read from: the same text is the same answer. `tag` is the server's name for it. */
export interface Answered<T> {
  path: string;
  answer: T;
  text: string;
  tag: string | null;
  problem: null;
}
export type Outcome<T> = Answered<T> | { answer: null; text: null; problem: ApiError };

/**
 * Ask for a path below the API's root, query included; never throws.
 * @param last an earlier answer, which is returned when the server says that it still holds
 */
export async function ask<T>(path: string, last: Answered<T> | null = null): Promise<Outcome<T>> {
  try {
    const known = last?.path === path ? last : null;
    const reply = await fetch(`${base.home}/api/v1${path}`, {
      headers: { Accept: "application/json", ...(known?.tag ? { "If-None-Match": known.tag } : {}) },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    learn(reply.headers.get("Date"), Date.now());
    if (known && reply.status === 304) return known;
    const text = await reply.text();
    const body = JSON.parse(text) as T | { error: ApiError };
    const refused = typeof body === "object" && body !== null && "error" in body && !reply.ok;
    return refused ? { answer: null, text: null, problem: body.error } : { path, answer: body as T, text, tag: reply.headers.get("Etag"), problem: null };
  } catch {
    return { answer: null, text: null, problem: NO_ANSWER };
  }
}

/** Refusals that no repetition changes. */
export function isFinal(problem: ApiError): boolean {
  return problem.code === "unauthorized" || problem.code === "unknown_parameter" || problem.code.startsWith("bad_");
}
