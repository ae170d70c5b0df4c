/** Ctrl-C and its like. They end the process at once, unless a run has begun: that is brought to a good end first. */
export class Interrupts {
  readonly #controller = new AbortController();
  #held = false;
  #notice: (() => void) | undefined;

  /** `exit` ends the process at once. */
  constructor(private readonly exit: () => void) {}

  /** To be called for every signal. */
  interrupt(): void {
    if (!this.#held || this.#controller.signal.aborted) {
      this.exit();
      return;
    }
    this.#controller.abort();
    this.#notice?.();
  }

  /** From now on the first interrupt only aborts the signal given back, and calls `notice`; the second one ends the process. */
  hold(notice: () => void): AbortSignal {
    this.#held = true;
    this.#notice = notice;
    return this.#controller.signal;
  }

  /** A person pressed Ctrl-C at a question: nothing has begun, so there is nothing to say. */
  cancel(): void {
    this.#controller.abort();
  }

  get interrupted(): boolean {
    return this.#controller.signal.aborted;
  }
}
