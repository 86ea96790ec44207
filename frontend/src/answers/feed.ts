/** Keeps a summary up to date: over the live socket; by polling while that is not to be had, or another pace is wanted. */

import { base, search } from "../address/links.ts";
import type { Range } from "../address/window.ts";
import type { ApiError } from "../api/basics.ts"
import type { Frame, Summary } from "../api/summary.ts";
import { ask, isFinal } from "./ask.ts";
import { type Pace, SLOW_MS } from "./refresh.ts";

export type Link = "connecting" | "live" | "polling" | "paused";

export interface View {
  summary: Summary | null;
  link: Link;
  /** Why the last attempt brought no summary; the one shown is older then. */
  problem: ApiError | null;
}

type Timer = ReturnType<typeof setTimeout> | number;

const POLL_MS = 5_000;
const FIRST_FRAME_MS = 2_500; // a socket that is open and silent for longer is passed by
const SILENCE_MS = 20_000; // the server sends at least every 15 s, whatever its pace
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000];

export class Feed {
  #tell: (view: View) => void;
  #view: View = { summary: null, link: "connecting", problem: null };
  #range: Range = { window: "" };
  #pace: Pace = "live";
  #socket: WebSocket | null = null;
  #failures = 0;
  #watchdog: Timer = 0;
  #retry: Timer = 0;
  #poll: Timer = 0;
  #round = 0; // answers of an earlier window or before a pause are not shown

  constructor(tell: (view: View) => void) {
    this.#tell = tell;
  }

  /** Follow a range; the summary shown stays until the first of the new one is there. Nothing is pushed of an ended range. */
  follow(range: Range, pace: Pace): void {
    this.stop();
    const other = search(range) !== search(this.#range);
    this.#range = range;
    this.#pace = pace;
    this.#failures = 0;
    if (pace === "off" && !other && this.#view.summary) return this.#change({ link: "paused" });
    this.#change({ link: "connecting", problem: null });
    if (pace === "live" && "window" in range) this.#connect();
    else void this.#ask();
  }

  /** Stand still; what is shown stays. */
  pause(): void {
    this.stop();
    this.#change({ link: "paused" });
  }

  /** Close everything without a word. */
  stop(): void {
    this.#round += 1;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    clearTimeout(this.#poll);
    this.#poll = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect(): void {
    const address = new URL(`${base.home}/ws`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    for (const [name, value] of Object.entries(this.#range)) address.searchParams.set(name, value);
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#watch(FIRST_FRAME_MS);
    socket.onmessage = (event: MessageEvent<string>) => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      clearTimeout(this.#poll);
      this.#poll = 0;
      this.#watch(SILENCE_MS);
      this.#take(JSON.parse(event.data) as Frame);
    };
    socket.onclose = () => socket === this.#socket && this.#lost();
  }

  #take(frame: Frame): void {
    if (frame.kind === "summary") this.#change({ summary: frame.summary, link: "live", problem: null });
    if (frame.kind === "alive") this.#change({ link: "live" });
    if (frame.kind === "error") {
      this.#change({ problem: frame.error });
      if (isFinal(frame.error)) this.stop();
    }
  }

  #watch(ms: number): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#lost(), ms);
  }

  #lost(): void {
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? 0;
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), wait);
    if (!this.#poll) void this.#ask();
  }

  async #ask(): Promise<void> {
    const round = this.#round;
    this.#poll = -1;
    const news = await this.#fetch();
    if (round !== this.#round) return;
    if (this.#poll) this.#change(news); // 0: the socket has spoken meanwhile
    if ((news.problem && isFinal(news.problem)) || (this.#pace === "off" && !news.problem)) this.stop();
    else if (this.#poll) this.#poll = setTimeout(() => void this.#ask(), this.#pace === "live" ? POLL_MS : SLOW_MS);
  }

  async #fetch(): Promise<Partial<View>> {
    const { answer, problem } = await ask<Summary>(`/summary${search(this.#range)}`);
    // Where nothing is pushed, or nothing more is wanted, to poll is as it should be.
    const link = this.#pace === "live" && "window" in this.#range ? "polling" : this.#pace === "off" ? "paused" : "live";
    return problem ? { link: "polling", problem } : { summary: answer, link, problem: null };
  }

  #change(part: Partial<View>): void {
    this.#view = { ...this.#view, ...part };
    this.#tell(this.#view);
  }
}
