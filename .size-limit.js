/** This library's own code as pages load it: an ES module, without its dependencies. */
export default [
  {
    name: "own browser code",
    path: "dist/browser.js",
    limit: "16 KiB",
    gzip: true,
    ignore: ["mqtt", "@noble/*", "p-any", "eventemitter3"],
    modifyEsbuildConfig: (config) => ({ ...config, format: "esm" }),
  },
  {
    name: "with all dependencies",
    path: "dist/sidewire.min.js",
    gzip: true,
  },
];
