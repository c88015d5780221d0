const sidewire = require("sidewire");
const { talks } = require("./talks.cjs");

// Of Jest.
test("talks", async () => {
  console.log(`TALKS ${JSON.stringify(await talks(sidewire, JSON.parse(process.env.TALKS)))}`);
}, 60_000);
