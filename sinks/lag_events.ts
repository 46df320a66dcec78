/** Events in the messages that lie before a worker, from how many the last ones had. */

export class LagEvents {
  private perMessage = 0;

  /** What was just done. */
  saw(events: number, messages: number): void {
    if (messages === 0) return;
    const now = events / messages;
    // Small and large messages follow each other; a few pulls tell what is usual.
    this.perMessage = this.perMessage === 0 ? now : this.perMessage * 0.7 + now * 0.3;
  }

  /** One each where nothing was seen yet. */
  of(messages: number): number {
    return Math.round(messages * (this.perMessage || 1));
  }
}
