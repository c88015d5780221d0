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
  #offeredBy: "out" | "in" | undefined;

  /** A new connection is begun. */
  restart(): void {
    mark("begun");
    this.#startedAt = performance.now();
    this.milestones = {};
    this.candidatesOut = 0;
    this.candidatesIn = 0;
    this.#offeredBy = undefined;
  }

  reached(milestone: keyof Milestones): void {
    if (this.milestones[milestone] !== undefined) return;
    mark(milestone);
    this.milestones[milestone] = this.#elapsed();
  }

  /** Something was told to the other side, or by it. */
  signal(direction: "out" | "in", type: string, candidates: number): void {
    if (direction === "out") this.candidatesOut += candidates;
    else this.candidatesIn += candidates;
    if (type === "offer" || type === "answer") {
      // Where two offers cross, each is the answer to the other.
      const isAnswer = type === "answer" || (this.#offeredBy ?? direction) !== direction;
      if (type === "offer") this.#offeredBy ??= direction;
      this.reached(isAnswer ? "answer" : "offer");
    }
    this.note(`${direction === "out" ? "→" : "←"} ${type}`);
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
