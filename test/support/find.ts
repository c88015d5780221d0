import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where programs are: in the `PATH`, and where distributions put what is not for everybody. */
const PLACES: readonly string[] = (
  process.env.TEST_PATH ?? `/usr/lib/rabbitmq/bin:/usr/sbin:/usr/local/sbin:${process.env.PATH}`
).split(delimiter);

/** The first program of this name that will do. */
export function find(name: string, willDo: (path: string) => boolean = () => true): string | undefined {
  return PLACES.map((place) => join(place, name)).find((path) => isExecutable(path) && willDo(path));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
