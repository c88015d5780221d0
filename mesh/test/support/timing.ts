/**
 * How long something takes, µs: the fastest of several rounds, since whatever else the machine does only adds to it.
 */
export function perPacketMicroseconds(work: () => unknown, times = 2000): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round++) {
    const start = performance.now();
    for (let i = 0; i < times; i++) work();
    fastest = Math.min(fastest, performance.now() - start);
  }
  return (fastest / times) * 1000;
}
