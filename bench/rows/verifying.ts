import type { Process } from "../processes.js";
import { atMost, type Row } from "../report.js";
import { median } from "../statistics.js";
import { SIGNED } from "./pair.js";

const ROUNDS = 12;
const COUNT = 50;

/** Checking a signature as a page does: by libsecp256k1 against noble. */
export async function verifyingRows(process: Process): Promise<Row[]> {
  const noble: number[] = [];
  const fast: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [byNoble, byFast] = await process.call("verifyInPage", COUNT, SIGNED);
    noble.push(byNoble / COUNT);
    fast.push(byFast / COUNT);
    ratios.push(byFast / byNoble);
  }
  return [
    {
      what: "a signature checked in a page, libsecp256k1",
      measured: `${median(fast).toFixed(3)} ms`,
      against: `noble: ${median(noble).toFixed(3)} ms`,
      ...atMost(0.15, median(ratios)),
    },
  ];
}
