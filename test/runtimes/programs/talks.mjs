import * as sidewire from "sidewire";
import { FileHintStore } from "sidewire/node";
import { talks } from "./talks.cjs";

if (typeof FileHintStore !== "function") throw new Error("sidewire/node has no FileHintStore");
// Without an await at the top, which a bundle of CommonJS cannot have.
talks(sidewire, JSON.parse(process.argv[2])).then((results) => {
  console.log(`TALKS ${JSON.stringify(results)}`);
});
