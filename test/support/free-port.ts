import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Ports that are tried. They are below those that a system gives to whoever connects or listens without naming a port
 * (Linux: from 32768), so what is stopped for a while finds its port free when it starts again.
 */
const [LOWEST, HIGHEST] = [11_000, 32_767];

/** A port that is free on an address now, and that nobody gets who does not ask for it. */
export async function freePort(host: string): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));
    const server = createServer();
    server.listen(port, host);
    try {
      await once(server, "listening");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") continue;
      throw error;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
