// Asking again and again while the page is seen, with the time of the last answer; an answer to an older question is dropped.
import { untrack } from 'svelte';
import { Failure } from './api';

export class Poll<T> {
  data = $state.raw<T | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** When the last good answer came, by the browser's clock. */
  at = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  #turn = 0;

  constructor(private readonly ask: () => Promise<T>, private readonly every = 1_000) {}

  /** Begins; the answer ends it, as an effect wants it. */
  start(): () => void {
    const seen = (): void => { if (!document.hidden) this.now(); };
    document.addEventListener('visibilitychange', seen);
    this.#stopped = false;
    this.now();
    return () => {
      this.#stopped = true;
      clearTimeout(this.#timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }

  /** Asks at once. What the question is made of is not what an effect that calls this depends on. */
  now(): void {
    untrack(() => void this.#go());
  }

  /** Asks another question: what the last one gave is forgotten. */
  anew(): void {
    untrack(() => { this.data = null; this.failure = null; });
    this.now();
  }

  async #go(): Promise<void> {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    try {
      const data = await this.ask();
      if (turn !== this.#turn || this.#stopped) return;
      this.data = data;
      this.failure = null;
      this.at = Date.now();
    } catch (error) {
      if (turn !== this.#turn) return;
      this.failure = error instanceof Failure ? error : new Failure(String(error));
    }
    // A hidden page rests until it is seen again.
    if (!this.#stopped && !document.hidden) this.#timer = setTimeout(() => this.now(), this.every);
  }
}

/** The time, each half second, for count-downs. */
export class Clock {
  now = $state(Date.now());
  start(): () => void {
    const timer = setInterval(() => { if (!document.hidden) this.now = Date.now(); }, 500);
    return () => clearInterval(timer);
  }
}
