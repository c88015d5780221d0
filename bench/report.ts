import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { median, quantile, type Rounds } from "./statistics.js";

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly measured: string;
  readonly against: string;
  /** What is compared with the bar. */
  readonly result: string;
  readonly bar: string;
  /** Absent where it is only reported. */
  readonly met?: boolean;
}

const HEAD: readonly string[] = ["what", "measured", "against", "result", "bar", "met"];

const RESULTS: string = fileURLToPath(new URL("./RESULTS.md", import.meta.url));

/** A row without a bar. */
export function reported(what: string, measured: string): Row {
  return { what, measured, against: "–", result: "–", bar: "reported" };
}

/** The part of a row that says how it compares: at most so many times as much. */
export function atMost(bar: number, ratio: number): Pick<Row, "result" | "bar" | "met"> {
  return { result: times(ratio), bar: `≤ ${bar} ×`, met: ratio <= bar };
}

/** At least so many times as much. */
export function atLeast(bar: number, ratio: number): Pick<Row, "result" | "bar" | "met"> {
  return { result: times(ratio), bar: `≥ ${bar} ×`, met: ratio >= bar };
}

/** Median and p99 of milliseconds. */
export function timesOf(rounds: Rounds): string {
  const samples = rounds.flat();
  return `${ms(median(samples))} / ${ms(quantile(samples, 0.99))} ms`;
}

export function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

export function times(ratio: number): string {
  return `${ratio.toFixed(2)} ×`;
}

export function kiB(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

/** The rows as a table in Markdown, which reads well on a terminal too. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ what, measured, against, result, bar, met }) => {
    const verdict = met === undefined ? "–" : met ? "yes" : "NO";
    return [what, measured, against, result, bar, verdict];
  });
  const widths = HEAD.map((head, i) => Math.max(head.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (texts: readonly string[], fill: string): string =>
    `| ${widths.map((width, i) => (texts[i] ?? "").padEnd(width, fill)).join(" | ")} |`;
  return [line(HEAD, " "), line([], "-"), ...cells.map((row) => line(row, " "))].join("\n");
}

/**
 * Writes the table down, with the machine and the date.
 * @param leftOut - what the table lacks, as items of a list
 */
export function writeResults(
  table: string,
  leftOut: readonly string[],
  mosquitto: string,
  seconds: number,
): void {
  const mqtt: { version: string } = JSON.parse(
    readFileSync(new URL("../node_modules/mqtt/package.json", import.meta.url), "utf8"),
  );
  const [kept = ""] = SECTIONS.exec(readFileSync(RESULTS, "utf8")) ?? [];
  writeFileSync(
    RESULTS,
    `# Results

Written by \`npm run bench\` on ${now()} UTC, in ${seconds.toFixed(0)} s:
${machine()}, Node ${process.version} with
OpenSSL ${process.versions.openssl}, MQTT.js ${mqtt.version}, mosquitto ${mosquitto}, all on loopback.

${table}

- Times are median / p99. Both sides of a row are measured in the same run, in blocks that take turns. The
  result is the ratio of their medians round by round, and of those the median: what else the machine does
  weighs on both.
- The floor is bare MQTT.js at QoS 0 there and back, with packets of the same size and TCP_NODELAY on both
  sides, plus the two signatures and two verifications of a message and its ACK, one after the other.
- The signatures alone: both processes at once sign and verify what they would for as many messages, four at
  a time.
- A data channel is that of examples/webrtc, between two pages in one Chromium with the example's brokers. Its first
  byte has come when both pages have one. The start of a page is the navigation to it: it is loaded, is told of the
  brokers, connects to one and calls; both do so at once.
- A block of the event loop is the CPU time of its thread between two timers of 1 ms.
- Memory is heap and external memory after a garbage collection.
${leftOut.map((item) => `${item}\n`).join("")}
${kept}`,
  );
}

/** What other benchmarks have written stands in sections of their own, at the end, each between two comments. */
const SECTIONS = /<!-- [a-z]+ -->[\s\S]*<!-- \/[a-z]+ -->\n/;

/**
 * Writes down what a benchmark of its own has found.
 * @param name - of the benchmark, and of its section
 */
export function writeSection(name: string, title: string, text: string): void {
  const section = `<!-- ${name} -->
## ${title}

Written by \`npm run bench:${name}\` on ${now()} UTC:
${machine()}, Node ${process.version}, all on loopback.

${text}
<!-- /${name} -->
`;
  const results = readFileSync(RESULTS, "utf8");
  const former = new RegExp(`<!-- ${name} -->[\\s\\S]*<!-- /${name} -->\\n`);
  const isThere = former.test(results);
  writeFileSync(
    RESULTS,
    isThere ? results.replace(former, () => section) : `${results.trimEnd()}\n\n${section}`,
  );
}

function now(): string {
  return new Date().toISOString().slice(0, 16).replace("T", " ");
}

function machine(): string {
  const cores = cpus();
  return `${cores.length} × ${cores[0]?.model.trim() ?? "unknown CPU"}, ${process.platform} ${process.arch}`;
}
