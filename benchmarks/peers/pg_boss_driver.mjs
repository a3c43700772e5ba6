// pg-boss: speed comes from large batches, and from fetching again at once while they come back full.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const require = createRequire(process.env.PEER_MODULES + "/");
const { PgBoss } = await import(pathToFileURL(require.resolve("pg-boss")));

const boss = new PgBoss({ connectionString: process.env.PEER_URL, useListenNotify: true });
boss.on("error", (error) => console.error(error.message));
await boss.start();
await boss.createQueue("no_op", { notify: true });
const [command, count] = [process.argv[2], Number(process.argv[3])];

async function fill() {
  await boss.deleteAllJobs("no_op");
  const data = { text: "x".repeat(150) };
  const began = performance.now();
  for (let left = count; left > 0; left -= 1000) {
    await boss.insert("no_op", Array.from({ length: Math.min(1000, left) }, () => ({ data })));
  }
  console.log(JSON.stringify({ count, seconds: (performance.now() - began) / 1000 }));
  await boss.stop({ graceful: false });
  process.exit(0);
}

async function produce() {
  for (let n = 0; n < count; n += 1) {
    await boss.send("no_op", { at: Date.now() / 1000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await boss.stop({ graceful: false });
  process.exit(0);
}

// The clock runs from the first handler's call to the last job's completion.
async function work() {
  let first = 0, last = 0, done = 0;
  const waits = [];
  const options = { batchSize: command === "listen" ? 1 : 1000, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
  for (let poller = 0; poller < 4; poller += 1) {
    await boss.work("no_op", options, async (jobs) => {
      last = Date.now() / 1000;
      first ||= last;
      done += jobs.length;
      for (const job of jobs) if (job.data.at) waits.push(last - job.data.at);
    });
  }
  process.on("SIGTERM", () => {
    console.log(JSON.stringify({ first, last, count: done, waits }));
    process.exit(0);
  });
}

await { fill, produce, work, listen: work }[command]();
