import type { Browser } from "playwright-core";
import { onTestFinished } from "vitest";

/**
 * A page that Playwright doesn't know of. Its own pages are always in the foreground, which a page that
 * is to be frozen must not be.
 */
export interface BarePage {
  /** Evaluates an expression in the page, and waits for it where it is a promise. */
  evaluate(expression: string): Promise<unknown>;
  /** Sends a command of the DevTools protocol. */
  send(method: string, params?: object): Promise<unknown>;
}

interface Answer {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: { readonly result?: { readonly value?: unknown }; readonly exceptionDetails?: object };
}

/** Opens a page; it is closed at the end of the test. */
export async function openBarePage(browser: Browser, url: string): Promise<BarePage> {
  const session = await browser.newBrowserCDPSession();
  const { targetId } = await session.send("Target.createTarget", { url });
  onTestFinished(() => session.send("Target.closeTarget", { targetId }).then(() => session.detach()));
  const { sessionId } = await session.send("Target.attachToTarget", { targetId, flatten: false });
  const waiting = new Map<number, (answer: Answer) => void>();
  let lastId = 0;
  session.on("Target.receivedMessageFromTarget", ({ message, sessionId: from }) => {
    if (from !== sessionId) return;
    const answer: Answer = JSON.parse(message);
    waiting.get(answer.id ?? 0)?.(answer);
  });
  const send = async (method: string, params: object = {}): Promise<Answer["result"]> => {
    const id = ++lastId;
    const answered = new Promise<Answer>((resolve) => waiting.set(id, resolve));
    await session.send("Target.sendMessageToTarget", {
      sessionId,
      message: JSON.stringify({ id, method, params }),
    });
    const { error, result } = await answered;
    waiting.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  return {
    send,
    evaluate: async (expression) => {
      const params = { expression, returnByValue: true, awaitPromise: true };
      const { result, exceptionDetails } = (await send("Runtime.evaluate", params)) ?? {};
      if (exceptionDetails !== undefined)
        throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
      return result?.value;
    },
  };
}
