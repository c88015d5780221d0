import { randomBytes } from "node:crypto";
import { chmod, link, lstat, mkdir, rename, rm } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";
import { MeshError } from "../errors.js";

/**
 * The maximum length of a socket's path. A kernel's buffer is about as long, and longer paths give EINVAL (unix(7)).
 */
const MAX_PATH_BYTES = 107;

/**
 * Listens at a path that only root and the own user can reach, and replaces a socket that a dead daemon left there.
 *
 * Of two daemons that start at the same time only one wins: a socket is made under its own name, and then put at its
 * path by a link. Making a link either succeeds or fails.
 * @returns a function that removes the socket
 * @throws {@link MeshError} `IN_USE`, `FILE`, `NOT_PERMITTED`
 */
export async function claim(server: Server, path: string): Promise<() => Promise<void>> {
  const own = `${path}.${randomBytes(4).toString("hex")}`;
  if (Buffer.byteLength(own) > MAX_PATH_BYTES)
    throw new MeshError(
      "FILE",
      `${path}: the path of a socket has at most ${MAX_PATH_BYTES} bytes; use a shorter folder`,
    );
  try {
    await ownFolder(dirname(path));
    await rm(own, { force: true });
    await listen(server, own);
    await chmod(own, 0o600);
    const { ino } = await lstat(own);
    await put(own, path);
    await rm(own);
    return async () => {
      const now = await lstat(path).catch(() => undefined);
      if (now?.ino === ino) await rm(path, { force: true });
    };
  } catch (error) {
    server.close();
    await rm(own, { force: true }).catch(() => {});
    if (error instanceof MeshError) throw error;
    const code = codeOf(error);
    if (code === "EACCES" || code === "EPERM")
      throw new MeshError("NOT_PERMITTED", `${path} cannot be made: run it as root`, { cause: error });
    throw new MeshError("FILE", `${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** Makes the folder accessible only to its owner, so nobody else can reach a socket in it. */
async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const stats = await lstat(folder);
  if (!stats.isDirectory()) throw new MeshError("FILE", `${folder} is not a folder: move it away`);
  if (stats.uid !== process.geteuid?.())
    throw new MeshError("NOT_PERMITTED", `${folder} belongs to somebody else: run it as its owner`);
  if ((stats.mode & 0o077) !== 0) await chmod(folder, 0o700);
}

async function put(own: string, path: string): Promise<void> {
  for (;;) {
    try {
      await link(own, path);
      return;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    if (await isAlive(path)) throw inUse(path);
    // Since the check, another daemon may have replaced the dead socket.
    const dead = `${own}.dead`;
    await rename(path, dead).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
    try {
      if (!(await isAlive(dead))) continue;
      await link(dead, path).catch(() => {});
      throw inUse(path);
    } finally {
      await rm(dead, { force: true });
    }
  }
}

function inUse(path: string): MeshError {
  return new MeshError(
    "IN_USE",
    `another daemon looks after this interface (it listens at ${path}): end it with sidewire-mesh down`,
  );
}

async function isAlive(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true));
    // EAGAIN means that the daemon lives but is too busy. A file that is not a socket counts as a dead socket.
    socket.once("error", (error) => resolve(codeOf(error) === "EAGAIN"));
    socket.once("close", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
