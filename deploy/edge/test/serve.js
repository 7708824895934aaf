/** Runs the worker for another program's test: prints its address, and ends with its standard input. */

import { runEdge } from "./edge.js";

const edge = await runEdge(JSON.parse(process.argv[2] ?? "{}"));
process.stdout.write(`${(await edge.ready).origin}\n`);
process.stdin.resume();
process.stdin.on("end", async () => {
  await edge.dispose();
  process.exit(0);
});
