import { ControlServer } from "../control/server.js";
import { runtimeFolder, socketPath } from "../control/socket-path.js";
import type { NewPeer } from "../device/create.js";
import type { Listed } from "../dstack/directory.js";
import { MeshError } from "../errors.js";
import { Ground } from "../ground.js";
import type { MeshInfo } from "../info.js";
import type { Mesh } from "../mesh.js";
import type { MeshOptions } from "../mesh-options.js";
import { formatKey } from "../wireguard-key.js";
import type { Context } from "./context.js";
import { endedText } from "./down.js";
import type { ExitCode } from "./failure.js";
import { Hooks } from "./hooks.js";
import { aborted, onSignals } from "./interrupt.js";
import type { ListedPeers } from "./listed-peers.js";
import { Notifier } from "./notify.js";
import { Reload } from "./reload.js";
import { Report, type ReportedMesh } from "./report.js";
import { settingsOf, type UpOptions, type UpSettings } from "./up-settings.js";

/** The part of a mesh that `up` uses. */
export interface UsedMesh
  extends ReportedMesh,
    Pick<Mesh, "ping" | "membership" | "configure" | "close" | "putBack"> {}

async function openMesh(options: MeshOptions): Promise<UsedMesh> {
  // The programs that the ground waits for run while the rest is loaded.
  const [ground, { Mesh }] = await Promise.all([Ground.open(options), import("../mesh.js")]);
  return await Mesh.begin(ground, options);
}

/**
 * Manages an interface until it is told to end.
 * @param open - opens a mesh; for tests
 */
export async function up(
  context: Context,
  name: string | undefined,
  options: UpOptions,
  open: (options: MeshOptions) => Promise<UsedMesh> = openMesh,
): Promise<ExitCode> {
  const { output, env, signal } = context;
  const settings = await settingsOf(name, options, env);
  const { interface: interfaceName, names, notes = [], hooks: programs = {}, metrics, ...rest } = settings;
  const isListed = settings.peersUrl !== undefined;
  const path = socketPath(runtimeFolder(env), interfaceName);
  for (const note of notes) output.warn(note);
  if (options.dryRun) return await (await import("./plan.js")).plan(context, settings);
  const reload = new Reload({ settings, read: async () => await settingsOf(name, options, env), output });
  let report: Report | undefined;
  // Without a listener, these signals would end the daemon, or let a debugger in.
  using _ = onSignals({ SIGHUP: reload.ask, SIGUSR1: () => void report?.state() });
  const hooks = new Hooks({ interface: interfaceName, programs, output, env });
  await hooks.need("preUp", signal);
  const opened = await open({ interface: interfaceName, ...rest, stunOnDemand: isListed, signal }).catch(
    (error: unknown) => {
      throw portTaken(error, settings.create?.listenPort) ?? error;
    },
  );
  /** The names of peers, which may change while the daemon runs. */
  const current = new Map(names);
  const mesh = named(opened, current);
  const ending = new AbortController();
  // The interface may disappear before a client can ask the daemon.
  mesh.on("gone", (error) => ending.abort(error));
  const notifier = new Notifier(env, () =>
    output.warn(
      "systemd waits for word of this daemon, and systemd-notify is not there: use Type=exec in the unit",
    ),
  );
  report = new Report(context, mesh, notifier);
  let outcome: readonly string[] | Error = [];
  try {
    const control = await ControlServer.open({ path, mesh, onDown: () => ending.abort() });
    let served: AsyncDisposable | undefined;
    let listedPeers: ListedPeers | undefined;
    // The peers come from the configuration and from the list, and both may change.
    let configured: UpSettings = settings;
    let listed: Listed = { peers: [], own: undefined };
    const configure = async (): Promise<void> => {
      const { create, peers = [], trust } = configured;
      const addresses = listed.own === undefined ? [] : [listed.own];
      await mesh.configure({ create, peers: together(peers, listed.peers), addresses, trust });
    };
    try {
      if (metrics !== undefined)
        served = await (await import("./metrics-server.js")).MetricsServer.open(metrics, mesh);
      await report.start();
      if (isListed || settings.publish !== undefined)
        listedPeers = await (await import("./listed-peers.js")).ListedPeers.open({
          ...{ settings, mesh, output },
          apply: async (now) => {
            const before = listed;
            listed = now;
            await configure().catch((error: unknown) => {
              listed = before;
              throw error;
            });
          },
        });
      await hooks.need("postUp", signal);
      hooks.watch(mesh);
      reload.start({
        apply: async (next) => {
          const before = configured;
          configured = next;
          await configure().catch((error: unknown) => {
            configured = before;
            throw error;
          });
          listedPeers?.again();
          current.clear();
          for (const [publicKey, called] of next.names) current.set(publicKey, called);
          hooks.use(next.hooks ?? {});
        },
        publicKey: () => mesh.info().publicKey,
      });
      await aborted(AbortSignal.any([signal, ending.signal]));
      notifier.stopping();
      report.stop();
      await hooks.end();
      await mesh.close();
      outcome = mesh.putBack;
    } catch (error) {
      outcome = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      notifier.stop();
      await reload.close();
      await listedPeers?.[Symbol.asyncDispose]();
      await served?.[Symbol.asyncDispose]();
      await control.close(outcome);
    }
  } finally {
    await mesh.close();
    await hooks.after();
  }
  if (ending.signal.reason instanceof MeshError) throw ending.signal.reason;
  const event = { event: "ended", interface: interfaceName, putBack: outcome };
  await output.result(event, () => endedText(interfaceName, mesh.putBack));
  return 0;
}

/** The peers of the configuration, and those of the list that the configuration does not have. */
function together(peers: readonly NewPeer[], listed: readonly NewPeer[]): NewPeer[] {
  const named = new Set(peers.map(({ publicKey }) => formatKey(publicKey)));
  return [...peers, ...listed.filter(({ publicKey }) => !named.has(formatKey(publicKey)))];
}

/** A clear error for a port that another program uses. */
function portTaken(error: unknown, port: number | undefined): MeshError | undefined {
  if (!(error instanceof MeshError) || error.code !== "COMMAND_FAILED") return undefined;
  if (port === undefined || !/address already in use/i.test(error.message)) return undefined;
  return new MeshError(
    "COMMAND_FAILED",
    `port ${port} is taken by another program: choose another one with --listen-port`,
    { cause: error },
  );
}

/** Adds the names in the configuration to the peers. */
function named(mesh: UsedMesh, names: ReadonlyMap<string, string>): UsedMesh {
  const info = mesh.info.bind(mesh);
  mesh.info = (): MeshInfo => {
    const all = info();
    return {
      ...all,
      peers: all.peers.map((peer) => ({ ...peer, name: peer.name ?? names.get(peer.publicKey) })),
    };
  };
  return mesh;
}
