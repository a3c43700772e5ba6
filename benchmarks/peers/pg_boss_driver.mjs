// pg-boss: it polls twice a second at most, so speed comes from large batches and several pollers.
import { createRequire } from "node:module";
const require = createRequire(process.env.PEER_MODULES + "/");
const PgBoss = require("pg-boss");

const boss = new PgBoss(process.env.PEER_URL_PARTS ? JSON.parse(process.env.PEER_URL_PARTS) : process.env.PEER_URL);
boss.on("error", (error) => console.error(error.message));
await boss.start();
await boss.createQueue("no_op");

if (process.argv[2] === "fill") {
  await boss.clearStorage();
  const data = { text: "x".repeat(150) };
  for (let left = Number(process.argv[3]); left > 0; left -= 1000) {
    await boss.insert(Array.from({ length: Math.min(1000, left) }, () => ({ name: "no_op", data })));
  }
  await boss.stop({ graceful: false });
  process.exit(0);
}

// From the first poll to the end: one fetch takes thousands, so instants of handlers would say little.
const first = Date.now() / 1000;
let count = 0;
for (let poller = 0; poller < 4; poller += 1) {
  await boss.work("no_op", { batchSize: 1000, pollingIntervalSeconds: 0.5 }, async (jobs) => {
    count += jobs.length;
  });
}
process.on("SIGTERM", () => {
  console.log(JSON.stringify({ first, last: Date.now() / 1000, count }));
  process.exit(0);
});
