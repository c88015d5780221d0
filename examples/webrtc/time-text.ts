/** A time as people read it; nothing for one that is not known. */
export function timeText(ms: number | undefined): string {
  if (ms === undefined) return "";
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}
