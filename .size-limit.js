/** What pages load: this library's own code as it is shipped, without its dependencies, and all of it. */
export default [
  { name: "own browser code", path: "dist/browser.js", limit: "32.5 kB", gzip: true },
  { name: "with all dependencies", path: "dist/sidewire.min.js", limit: "49.5 kB", gzip: true },
];
