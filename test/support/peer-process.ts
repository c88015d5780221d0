import type { RouterOptions } from "../../src/index.js";
import { forkProgram } from "./forked.js";
import type { PeerAnswer, PeerCall, PeerTasks } from "./peer-program.js";

/** A peer in a process of its own: it may be stopped, or kept busy, without its broker or its peers. */
export interface PeerProcess {
  call<K extends keyof PeerTasks>(
    task: K,
    ...args: Parameters<PeerTasks[K]>
  ): Promise<Awaited<ReturnType<PeerTasks[K]>>>;
  /** Stops the whole process, as a debugger or a busy host does, until {@link resume}. */
  stop(): void;
  resume(): void;
}

/** A peer process whose router is started. */
export interface StartedPeer extends PeerProcess {
  readonly address: string;
}

/** Starts a peer, which ends with the test. */
export async function startPeerProcess(options: Omit<RouterOptions, "getTime">): Promise<StartedPeer> {
  const peer = await forkPeer();
  return { ...peer, address: await peer.call("start", options) };
}

/** The process alone, which ends with the test. */
export async function forkPeer(): Promise<PeerProcess> {
  const child = await forkProgram(new URL("./peer-program.ts", import.meta.url));
  const waiting = new Map<number, (answer: PeerAnswer) => void>();
  child.on("message", (answer: PeerAnswer) => waiting.get(answer.id)?.(answer));
  child.once("exit", (code, signal) => {
    for (const [id, resolve] of waiting) resolve({ id, error: `the peer ended with ${code ?? signal}` });
  });
  let calls = 0;
  const call: PeerProcess["call"] = async <K extends keyof PeerTasks>(
    task: K,
    ...args: Parameters<PeerTasks[K]>
  ): Promise<Awaited<ReturnType<PeerTasks[K]>>> => {
    const id = calls++;
    const answer = await new Promise<PeerAnswer>((resolve) => {
      waiting.set(id, resolve);
      child.send({ id, task, args } satisfies PeerCall);
    });
    waiting.delete(id);
    if (answer.error !== undefined) throw new Error(answer.error);
    // What the task returns is plain data, which arrives as it left.
    return answer.result as Awaited<ReturnType<PeerTasks[K]>>;
  };
  return {
    call,
    stop: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
  };
}
