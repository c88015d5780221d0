/** A host of a lab has no /etc/hosts of its own: the command runs where another file is mounted there. */
const MOUNT = 'mount --bind "$0" /etc/hosts';
const READ_ONLY = "mount -o remount,bind,ro /etc/hosts";

/** The command that runs another, which sees a file as /etc/hosts. */
export function withHostsFile(file: string, argv: readonly string[], isReadOnly = false): string[] {
  const script = [MOUNT, ...(isReadOnly ? [READ_ONLY] : []), 'exec "$@"'].join(" && ");
  return ["unshare", "-m", "sh", "-c", script, file, ...argv];
}
