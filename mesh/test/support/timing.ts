/**
 * How long something takes, µs, warmed up: in the fastest of many short rounds, since whatever else the machine does
 * only adds to it, and leaves some of them alone.
 */
export function perPacketMicroseconds(work: () => unknown): number {
  const times = 100;
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 200; round++) {
    const start = performance.now();
    for (let i = 0; i < times; i++) work();
    fastest = Math.min(fastest, performance.now() - start);
  }
  return (fastest / times) * 1000;
}
