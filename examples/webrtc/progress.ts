import type { SignalContent } from "./negotiation.js";

/** How far a connection has come, and when, in ms since it was begun. */
export interface Milestones {
  offer?: number;
  answer?: number;
  channel?: number;
  firstByte?: number;
}

/** One thing that happened. */
export interface Note {
  readonly atMs: number;
  readonly text: string;
}

const MAX_NOTES = 60;
const MAX_MARKS = 100;

/** What happened on the way to a connection, and since. */
export class Progress {
  #startedAt: number = performance.now();
  milestones: Milestones = {};
  candidatesOut = 0;
  candidatesIn = 0;
  readonly notes: Note[] = [];

  /** A new connection is begun. */
  restart(): void {
    mark("begun");
    this.#startedAt = performance.now();
    this.milestones = {};
    this.candidatesOut = 0;
    this.candidatesIn = 0;
  }

  reached(milestone: keyof Milestones): void {
    if (this.milestones[milestone] !== undefined) return;
    mark(milestone);
    this.milestones[milestone] = this.#elapsed();
  }

  signal(direction: "out" | "in", content: SignalContent): void {
    const arrow = direction === "out" ? "→" : "←";
    if ("description" in content) {
      const { type } = content.description;
      this.reached(type);
      this.note(`${arrow} ${type}`);
    } else {
      if (direction === "out") this.candidatesOut++;
      else this.candidatesIn++;
      this.note(`${arrow} candidate`);
    }
  }

  note(text: string): void {
    this.notes.push({ atMs: this.#elapsed(), text });
    if (this.notes.length > MAX_NOTES) this.notes.shift();
  }

  #elapsed(): number {
    return performance.now() - this.#startedAt;
  }
}

/** Shows in the browser's own timeline. */
function mark(name: string): void {
  if (performance.getEntriesByName(name).length >= MAX_MARKS) performance.clearMarks(name);
  performance.mark(name);
}
