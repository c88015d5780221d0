import { expect, it } from "vitest";
import { withPython } from "../support/needs.js";
import { poolOf, record, startPeer, untilBrokers, use } from "../support/peers.js";
import { placeOf, readPages } from "./pages.js";
import { Sandbox } from "./run.js";

const blocks = readPages()
  .flatMap((page) => page.blocks)
  .filter(({ language, excuse }) => language === "python" && excuse === undefined);

it("there are Python programs in the documentation", () => {
  expect(blocks.map(({ page }) => page)).toContain("docs/quick-start.md");
});

withPython("the Python programs of the documentation", { timeout: 60_000 }, (python) => {
  it.each(blocks.map((block) => [placeOf(block), block] as const))(
    "%s sends a message to the peer whose address it is given, and ends",
    async (_, { text }) => {
      const sandbox = use(await Sandbox.open());
      const peer = await startPeer(poolOf(sandbox.brokers));
      // On all of them, wherever the program's own ranking leads to.
      await untilBrokers(peer, () => peer.hints().length === sandbox.brokers.length);
      const messages = record(peer);
      const { code, out, error } = await sandbox.python(python.path, text, [peer.address]);
      expect({ code, error }).toEqual({ code: 0, error: "" });
      expect(out).toBe("acknowledged\n");
      expect(messages.map((message) => message.text())).toEqual(["hello from Python"]);
    },
  );
});
